"""Tests of `lead_fields`: values, types, calls and errors."""

from __future__ import annotations

import logging
import math

import pytest
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import AccessDeniedError, MarketoError, SettingsError
from tap_marketo_opps.tap import TapMarketoOpps
from tests.tap_marketo_opps.helpers import by_filter, by_lead_ids

ROLES = "opportunity_roles"
WANTED = {"lead_fields": ["email", "memberNumber", "createdAt"]}


def by_activities(sandbox, **more):
    return {**sandbox.credentials, "start_date": "2020-01-01T00:00:00Z", **more}


def lookups(sandbox):
    return sandbox.journal(operation="query_leads")


def addresses(sandbox):
    """Return the email address of each role's lead, by the role's GUID."""
    by_lead = {each["id"]: each.get("email") for each in sandbox.instance.leads()}
    return {each["marketoGUID"]: by_lead[each["leadId"]] for each in sandbox.instance.roles()}


def carried(output):
    return {each["marketoGUID"]: each["lead_email"] for each in output.records(ROLES)}


@pytest.mark.parametrize("way", [by_filter, by_lead_ids])
def test_roles_carry_what_their_leads_hold(sandbox, sync, way):
    output = sync(way(sandbox, **WANTED))
    assert carried(output) == addresses(sandbox)
    leads = {each["leadId"] for each in output.records(ROLES)}
    assert len(lookups(sandbox)) == math.ceil(len(leads) / 300)


@pytest.mark.parametrize("way", [by_filter, by_lead_ids])
def test_roles_alone_carry_what_their_leads_hold(sandbox, sync, way):
    config = way(sandbox, **WANTED)
    catalog = _catalog(config, {"lead_email"})
    for entry in catalog["streams"]:
        root = next(each for each in entry["metadata"] if not each["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] == ROLES
    assert carried(sync(config, catalog=catalog)) == addresses(sandbox)
    assert not sandbox.journal(operation="query opportunity")


def test_roles_found_by_the_log_carry_them_too(sandbox, sync):
    output = sync(by_activities(sandbox, **WANTED))
    assert len(output.records(ROLES)) > 100
    assert carried(output).items() <= addresses(sandbox).items()
    leads = {each["leadId"] for each in output.records(ROLES)}
    assert len(lookups(sandbox)) <= math.ceil(len(leads) / 300) + 1


def test_each_lead_is_requested_once_in_full_calls(marketo_sandbox_factory, sync):
    sandbox = marketo_sandbox_factory(opportunities=2000, leads=1500, limits={"enforced": False})
    leads = {each["leadId"] for each in sandbox.instance.roles()}
    output = sync(by_filter(sandbox, **WANTED))
    assert carried(output) == addresses(sandbox)
    assert len(lookups(sandbox)) == math.ceil(len(leads) / 300)


@pytest.mark.parametrize("concurrency", [1, 10])
def test_the_output_is_one_for_any_concurrency(sandbox, sync, concurrency):
    def messages(output):
        return [each for each in output.messages if each["type"] == "RECORD"]

    alone = sync(by_filter(sandbox, **WANTED, batch_size=50))
    other = sync(by_filter(sandbox, **WANTED, batch_size=50, max_concurrent_calls=concurrency))
    assert [each["record"] for each in messages(alone)] == [
        each["record"] for each in messages(other)
    ]


def test_fields_are_typed_as_the_leads_describe_says(sandbox, sync):
    output = sync(by_filter(sandbox, **WANTED))
    properties = output.schema(ROLES)["properties"]
    assert properties["lead_email"]["type"] == ["string", "null"]
    assert properties["lead_email"]["description"] == "Lead: Email Address (up to 255 characters)"
    assert properties["lead_memberNumber"]["type"] == ["integer", "null"]
    assert properties["lead_createdAt"]["format"] == "date-time"
    for role in output.records(ROLES):
        assert role["lead_memberNumber"] == 500_000 + role["leadId"]
        assert role["lead_createdAt"].endswith("Z")


def test_a_lead_that_is_gone_gives_nulls_and_is_counted(sandbox, sync, caplog):
    caplog.set_level(logging.INFO)
    gone = sandbox.instance.roles()[0]["leadId"]
    sandbox.fault("patch", operation="query_leads", merge={"result": [{"id": gone, "email": "x"}]})
    output = sync(by_filter(sandbox, **WANTED))
    found = {each["leadId"]: each["lead_email"] for each in output.records(ROLES)}
    assert found.pop(gone) == "x"
    assert set(found.values()) == {None}
    assert f"; {len(found)} leads named by roles not found" in caplog.text


def test_roles_that_name_no_lead_are_counted(sandbox, sync, caplog):
    caplog.set_level(logging.INFO)
    sandbox.fault("patch", operation="query role", each={"leadId": None})
    output = sync(by_filter(sandbox, **WANTED))
    count = len(output.records(ROLES))
    assert count == len(sandbox.instance.roles())
    assert f"{count} roles without leadId" in caplog.text
    assert not lookups(sandbox)


def test_without_lead_fields_no_call_is_about_leads(sandbox, sync):
    output = sync(by_filter(sandbox))
    assert not any("lead_" in name for name in output.records(ROLES)[0])
    assert not [call for call in sandbox.journal() if "lead" in (call["operation"] or "")]


def test_a_deselected_lead_field_is_not_requested(sandbox, sync):
    config = by_filter(sandbox, **WANTED)
    catalog = _catalog(config, {"lead_email"})
    output = sync(config, catalog=catalog)
    assert carried(output) == addresses(sandbox)
    assert "lead_memberNumber" not in output.records(ROLES)[0]
    assert {call["parameters"]["fields"] for call in lookups(sandbox)} == {"id,email"}


@pytest.mark.parametrize("selected", [{"role"}, None])
def test_no_lead_is_requested_where_none_is_selected(sandbox, sync, selected):
    config = by_filter(sandbox, **WANTED)
    catalog = _catalog(config, selected or set(), roles=selected is not None)
    assert sync(config, catalog=catalog).records("opportunities")
    assert not lookups(sandbox)


def _catalog(config, selected, *, roles=True):
    """Return a catalog for these settings, with the given selection of role fields."""
    tap = TapMarketoOpps(config=config)
    catalog = tap.catalog_dict
    tap.client.close()
    (entry,) = (each for each in catalog["streams"] if each["tap_stream_id"] == ROLES)
    for item in entry["metadata"]:
        name = item["breadcrumb"][-1] if item["breadcrumb"] else None
        if name is None:
            item["metadata"]["selected"] = roles
        elif name.startswith("lead_"):
            item["metadata"]["selected"] = name in selected
    return catalog


def test_only_leads_of_roles_that_are_emitted_are_requested(sandbox, sync):
    config = by_filter(sandbox, **WANTED)
    state = sync(config).state
    sandbox.api.journal.clear()
    fresh = {each["leadId"] for each in sync(config, state=state).records(ROLES)}
    assert 0 < len(fresh) < 10
    (lookup,) = lookups(sandbox)
    assert {*lookup["parameters"]["filterValues"].split(",")} == {*map(str, fresh)}


@pytest.mark.parametrize("way", [by_filter, by_lead_ids, by_activities])
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_killed_run_resumes_without_losing_any(sandbox, sync, way, cut):
    config = way(sandbox, **WANTED, batch_size=40)
    expected = carried(sync(config))
    first = sync(config, most_bytes=int(cut * len(sync.raw)))
    rest = sync(config, state=first.state)
    assert len(rest.records(ROLES)) > 0
    assert carried(first) | carried(rest) == expected


def test_in_dialect_every_lead_is_read_all_the_same(marketo_sandbox_factory, sync):
    options = {"opportunities": 300, "leads": 200, "limits": {"enforced": False}}
    sandbox = marketo_sandbox_factory(**options, dialects={"tokens-only"}, short_pages=0.5)
    assert carried(sync(by_filter(sandbox, **WANTED))) == addresses(sandbox)


def test_a_refused_page_token_of_leads_is_survived(marketo_sandbox_factory, sync):
    options = {"opportunities": 300, "leads": 200, "limits": {"enforced": False}}
    sandbox = marketo_sandbox_factory(**options, short_pages=1.0)
    sandbox.fault("expire_page_tokens", operation="query_leads", skip=1, times=1)
    assert carried(sync(by_filter(sandbox, **WANTED))) == addresses(sandbox)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["emial"], "'emial' (near: 'email')"),
        (["Email", "nonsense9"], "'Email' (near: 'email'), 'nonsense9'."),
    ],
)
def test_unknown_lead_fields_are_refused_with_near_ones(sandbox, sync, names, told):
    with pytest.raises(SettingsError) as caught:
        sync(by_filter(sandbox, lead_fields=names))
    assert told in str(caught.value)
    assert not lookups(sandbox)


@pytest.mark.parametrize("name", ["id", "ID"])
def test_the_leads_id_is_refused_as_a_lead_field(sandbox, sync, name):
    with pytest.raises(ConfigValidationError) as caught:
        sync(by_filter(sandbox, lead_fields=["email", name]))
    (told,) = caught.value.errors
    assert told == "lead_fields must not include id: opportunity_roles have it as leadId."


def test_a_missing_permission_is_named_before_anything_is_read(marketo_sandbox_factory, sync):
    permissions = frozenset({"Read-Only Opportunity", "Read-Write Schema Standard Field"})
    sandbox = marketo_sandbox_factory(opportunities=3, leads=3, permissions=permissions)
    with pytest.raises(AccessDeniedError, match="'Read-Only Lead' or 'Read-Write Lead'"):
        sync(by_filter(sandbox, **WANTED))
    assert not sandbox.journal(operation="query opportunity")


def test_a_field_that_the_catalog_lacks_is_warned_of(sandbox, sync, caplog):
    catalog = _catalog(by_filter(sandbox, lead_fields=["email"]), {"lead_email"})
    output = sync(by_filter(sandbox, lead_fields=["email", "company"]), catalog=catalog)
    assert carried(output) == addresses(sandbox)
    assert "lead_fields includes 'company', which the catalog does not have" in caplog.text


def test_a_catalog_that_selects_what_lead_fields_lacks_is_refused(sandbox, sync):
    catalog = _catalog(by_filter(sandbox, **WANTED), {"lead_email", "lead_createdAt"})
    with pytest.raises(SettingsError, match="selects 'lead_createdAt' of opportunity_roles"):
        sync(by_filter(sandbox, lead_fields=["email"]), catalog=catalog)


def test_a_field_that_leads_have_lost_is_named_with_the_remedy(sandbox, sync):
    config = by_filter(sandbox, **WANTED)
    catalog = _catalog(config, {"lead_email"})
    refusal = {"code": "1006", "message": "Field 'email' not found"}
    body = {"requestId": "r#1", "success": False, "errors": [refusal]}
    sandbox.fault("answer", operation="query_leads", body=body)
    with pytest.raises(MarketoError, match="selects field 'lead_email', which the instance does"):
        sync(config, catalog=catalog)
