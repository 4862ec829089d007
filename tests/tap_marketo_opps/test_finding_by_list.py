"""Tests of `find_by: lead_list`."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import datetime, timedelta

import pytest

from marketo_opps import AccessDeniedError
from marketo_opps.errors import UnexpectedResponseError
from marketo_sandbox.instance.describe import ROLE
from tap_marketo_opps.errors import NoSuchListError
from tap_marketo_opps.tap import TapMarketoOpps
from tests.tap_marketo_opps.conftest import FAST

LIST = 1001
DEALS, ROLES = "opportunities", "opportunity_roles"
KEY = "externalOpportunityId"


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return _with_list(marketo_sandbox_factory(opportunities=400, leads=900, seed=5, limits=FAST))


def _with_list(sandbox):
    """Create a static list of all leads with a role."""
    sandbox.instance.add_to_list(LIST, {role["leadId"] for role in sandbox.instance.roles()})
    return sandbox


def _by_list(sandbox, **more):
    return {**sandbox.credentials, "find_by": "lead_list", "lead_list_id": LIST, **more}


def _guids(records):
    return sorted(each["marketoGUID"] for each in records)


def _deals_with_a_role(sandbox):
    return {role[KEY] for role in sandbox.instance.roles()}


def _calls(sandbox, since=0):
    return Counter(call["operation"] for call in sandbox.journal()[since:])


def _text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_all_that_the_lists_leads_lead_to_is_found_once(sandbox, catalog_of, sync):
    output = sync(_by_list(sandbox), catalog=catalog_of(sandbox, DEALS, ROLES))
    assert sorted(output.ids(key=KEY)) == sorted(_deals_with_a_role(sandbox))
    assert sorted(output.ids(ROLES)) == _guids(sandbox.instance.roles())


@pytest.mark.parametrize("dialects", [[], ["tokens-only"]])
def test_a_sweep_takes_no_more_calls_than_its_pages(
    marketo_sandbox_factory, catalog_of, sync, dialects
):
    sandbox = marketo_sandbox_factory(
        opportunities=1500, leads=1000, seed=5, limits=FAST, dialects=frozenset(dialects)
    )
    _with_list(sandbox)
    catalog = catalog_of(sandbox, DEALS, ROLES)
    before = len(sandbox.journal())
    output = sync(_by_list(sandbox), catalog=catalog)
    calls = _calls(sandbox, before)
    leads = len({role["leadId"] for role in sandbox.instance.roles()})
    assert calls["list_members"] <= math.ceil(leads / 300) + 1
    pages_of_roles = math.ceil(len(sandbox.instance.roles()) / 300) + math.ceil(leads / 300)
    deals = math.ceil(len(_deals_with_a_role(sandbox)) / 300)
    most = math.ceil(leads / 300) + pages_of_roles + deals + 6
    assert sum(calls.values()) <= most, calls
    assert len(output.records()) == len(_deals_with_a_role(sandbox))


def test_only_the_lists_leads_are_looked_up(sandbox, catalog_of, sync):
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})[:20]
    sandbox.instance.add_to_list(7, leads)
    output = sync(_by_list(sandbox, lead_list_id=7), catalog=catalog_of(sandbox, ROLES))
    assert {role["leadId"] for role in output.records(ROLES)} == {*leads}


def test_each_stream_alone_is_found_too(sandbox, catalog_of, sync):
    deals = sync(_by_list(sandbox), catalog=catalog_of(sandbox, DEALS))
    assert {*deals.ids(key=KEY)} == _deals_with_a_role(sandbox)
    before = len(sandbox.journal())
    sync(_by_list(sandbox), catalog=catalog_of(sandbox, ROLES))
    assert "query opportunity" not in _calls(sandbox, before)


def test_it_hands_over_from_a_week_before_it_began(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    sandbox.advance(90 * 86_400)
    catalog = catalog_of(sandbox, DEALS, ROLES)
    # Of three days ago, of a lead that was not put on the list.
    (other,) = set(sandbox.instance.opportunity_ids()[:4]) - _deals_with_a_role(sandbox)
    lead = max(sandbox.instance.lead_ids()) + 1
    sandbox.instance.add_leads([lead])
    sandbox.instance.sync(ROLE, {"input": [{KEY: other, "leadId": lead, "role": "Late"}]})
    sandbox.advance(3 * 86_400)
    swept = sync(_by_list(sandbox), catalog=catalog)
    assert other not in swept.ids(key=KEY)
    handed_over = datetime.fromisoformat(swept.bookmark()["sweep_began"])
    week_before = sandbox.instance.clock.now() - timedelta(days=7)
    assert abs(handed_over - week_before) < timedelta(minutes=1)
    assert swept.bookmark()["sweep_leads"] == f"lead_list {LIST}"
    told = f"find_by: activities continues from {swept.bookmark()['sweep_began']}"
    assert told in caplog.text
    after = sync(
        {**sandbox.credentials, "find_by": "activities"}, catalog=catalog, state=swept.state
    )
    assert other in after.ids(key=KEY)
    assert f"Continuing after the sweep of lead_list {LIST}" in caplog.text


def test_a_second_sweep_emits_all_for_the_list_may_be_another(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, DEALS, ROLES)
    sandbox.advance(40 * 86_400)
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})
    sandbox.instance.add_to_list(8, leads[:10])
    first = sync(_by_list(sandbox, lead_list_id=8), catalog=catalog)
    sandbox.instance.add_to_list(8, leads[10:20])
    second = sync(_by_list(sandbox, lead_list_id=8), catalog=catalog, state=first.state)
    assert {role["leadId"] for role in second.records(ROLES)} == {*leads[:20]}
    assert "The list may have other leads than in the last sweep" in caplog.text


def _killed(sync, config, catalog, share):
    """Return the output of a whole run, and of another that was killed part-way."""
    whole = sync(config, catalog=catalog)
    return whole, sync(config, catalog=catalog, most_bytes=int(len(sync.raw) * share))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
def test_an_interrupted_sweep_resumes_by_its_page_token(sandbox, catalog_of, sync, share):
    # Pages of roles are shorter than what is pending: positions do not all hold the whole list.
    config = _by_list(sandbox, batch_size=20, max_concurrent_calls=1)
    catalog = catalog_of(sandbox, DEALS, ROLES)
    whole, part = _killed(sync, config, catalog, share)
    before = len(sandbox.journal())
    rest = sync(config, catalog=catalog, state=part.state)
    for stream in (DEALS, ROLES):
        assert {*part.ids(stream), *rest.ids(stream)} == {*whole.ids(stream)}
    done = json.loads(part.bookmark()["resume"])["at"]["done"]
    assert done
    (first, *more) = sandbox.journal(before, operation="list_members")
    assert first["parameters"]["nextPageToken"]
    leads = len({role["leadId"] for role in sandbox.instance.roles()})
    assert len(more) <= math.ceil((leads - done) / 20)
    assert rest.bookmark()["resume"] is None


def test_a_refused_page_token_begins_the_list_again(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    config = _by_list(sandbox, batch_size=50, max_concurrent_calls=1)
    catalog = catalog_of(sandbox, DEALS, ROLES)
    whole, part = _killed(sync, config, catalog, 0.5)
    sandbox.instance.expire_page_tokens()
    rest = sync(config, catalog=catalog, state=part.state)
    for stream in (DEALS, ROLES):
        assert {*part.ids(stream), *rest.ids(stream)} == {*whole.ids(stream)}
    assert "Marketo no longer accepts the page token of the static list" in caplog.text


def test_a_token_refused_in_between_costs_no_lead(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, DEALS, ROLES)
    rule = {"operation": "list_members", "skip": 3, "times": 1}
    sandbox.fault("expire_page_tokens", **rule)
    output = sync(_by_list(sandbox, batch_size=50), catalog=catalog)
    assert sorted(output.ids(key=KEY)) == sorted(_deals_with_a_role(sandbox))
    assert sorted(output.ids(ROLES)) == _guids(sandbox.instance.roles())


def test_a_token_that_is_always_refused_ends_the_run(sandbox, catalog_of, sync):
    sandbox.fault("expire_page_tokens", operation="list_members", skip=1)
    with pytest.raises(Exception, match="1003"):
        sync(_by_list(sandbox, batch_size=50), catalog=catalog_of(sandbox, DEALS))


@pytest.mark.parametrize("member", ["token", "done", "keys"])
def test_an_edited_position_is_reported_and_starts_over(sandbox, catalog_of, sync, caplog, member):
    catalog = catalog_of(sandbox, DEALS)
    config = _by_list(sandbox, batch_size=50)
    _, part = _killed(sync, config, catalog, 0.5)
    state = part.state
    resume = json.loads(state["bookmarks"][DEALS]["resume"])
    resume["at"][member] = {"odd": 1}
    state["bookmarks"][DEALS]["resume"] = json.dumps(resume)
    output = sync(config, catalog=catalog, state=state)
    assert {*output.ids(key=KEY)} == _deals_with_a_role(sandbox)
    assert "position cannot be read" in caplog.text


def test_a_list_that_changes_meanwhile_costs_no_lead_that_stays(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, DEALS, ROLES)
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})
    config = _by_list(sandbox, batch_size=20, max_concurrent_calls=1)
    sync(config, catalog=catalog)
    part = sync(config, catalog=catalog, most_bytes=len(sync.raw) // 2)
    # One that was read already, and one that was not.
    for lead in (leads[0], leads[-1]):
        _remove(sandbox, lead)
    rest = sync(config, catalog=catalog, state=part.state)
    found = {role["leadId"] for out in (part, rest) for role in out.records(ROLES)}
    assert found >= {*leads[:-1]}


def _remove(sandbox, lead, number=LIST):
    sandbox.instance.lead_database.remove_members({"listId": number, "id": str(lead)})


def test_an_empty_list_is_warned_of(sandbox, catalog_of, sync, caplog):
    (lead, *_) = sandbox.instance.lead_ids()
    sandbox.instance.add_to_list(9, [lead])
    _remove(sandbox, lead, 9)
    output = sync(_by_list(sandbox, lead_list_id=9), catalog=catalog_of(sandbox, DEALS))
    assert output.records() == []
    assert "The static list has no leads" in caplog.text


def test_a_list_that_there_is_not_is_named_with_the_remedy(sandbox, catalog_of, sync):
    with pytest.raises(NoSuchListError, match=r"1013.*lead_list_id is 4711: set it to") as caught:
        sync(_by_list(sandbox, lead_list_id=4711), catalog=catalog_of(sandbox, DEALS))
    assert "requestId" in str(caught.value)


def test_a_missing_permission_is_named(marketo_sandbox_factory, catalog_of, sync):
    sandbox = _with_list(marketo_sandbox_factory(opportunities=40, leads=20, limits=FAST))
    catalog = catalog_of(sandbox, DEALS)
    sandbox.instance.options.permissions = frozenset({"Read-Only Opportunity"})
    with pytest.raises(AccessDeniedError, match="Read-Only Lead"):
        sync(_by_list(sandbox), catalog=catalog)


@pytest.mark.parametrize("odd", [{"$value": None}, "x", {"$value": {"a": 1}}])
def test_a_lead_without_an_id_ends_the_run(sandbox, catalog_of, sync, odd):
    sandbox.fault("patch", operation="list_members", each={"id": odd})
    with pytest.raises(UnexpectedResponseError, match="a lead without an id"):
        sync(_by_list(sandbox), catalog=catalog_of(sandbox, DEALS))


def test_what_start_date_leaves_out_is_counted(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, DEALS, ROLES)
    moments = sorted(each["updatedAt"] for each in sandbox.instance.roles())
    start = sandbox.instance.clock.now() - timedelta(days=300)
    older = sum(moment < start.timestamp() for moment in moments)
    output = sync(_by_list(sandbox, start_date=_text(start)), catalog=catalog)
    assert 0 < older < len(moments)
    assert len(output.records(ROLES)) == len(moments) - older
    assert f"; {older} records from before start_date skipped" in caplog.text


def test_roles_carry_fields_of_their_leads(sandbox, catalog_of, sync):
    config = _by_list(sandbox, lead_fields=["email"])
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})
    tap = TapMarketoOpps(config=config)
    catalog = json.loads(json.dumps(tap.catalog_dict))
    tap.client.close()
    output = sync(config, catalog=catalog)
    assert sorted({role["leadId"] for role in output.records(ROLES)}) == leads
    assert any(role["lead_email"] for role in output.records(ROLES))


def _tested(sandbox, capsys, **more):
    """Return the output of `--test` for a sweep of a list."""
    tap = TapMarketoOpps(config=_by_list(sandbox, **more), setup_mapper=False)
    is_well = tap.report_checks()
    tap.client.close()
    told = capsys.readouterr().out
    assert is_well is ("FAILED" not in told)
    return told


def test_the_connection_test_reads_the_list(sandbox, capsys):
    assert f"ok      reading the static list {LIST}\n" in _tested(sandbox, capsys)


@pytest.mark.parametrize(
    ("permissions", "number", "told"),
    [
        ({"Read-Only Opportunity"}, LIST, "603"),
        ({"Read-Only Opportunity", "Read-Only Lead"}, 4711, "lead_list_id is 4711"),
    ],
)
def test_the_connection_test_fails_on_a_list_that_cannot_be_read(
    sandbox, capsys, permissions, number, told
):
    sandbox.instance.options.permissions = frozenset(permissions)
    lines = _tested(sandbox, capsys, lead_list_id=number).splitlines()
    (failed,) = [line for line in lines if line.startswith("FAILED  reading the static list")]
    assert told in failed
