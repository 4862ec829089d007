"""Tests of `find_by: filter`."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest

from marketo_opps import SettingsError


def _ids(sandbox):
    return sandbox.instance.opportunity_ids()


def _data_calls(sandbox):
    return [c for c in sandbox.journal() if c["operation"].startswith("query")]


def test_every_value_is_found_and_typed(sandbox, catalog_of, sync):
    output = sync(
        {**sandbox.credentials, "filter_values": _ids(sandbox)},
        catalog=catalog_of(sandbox, "opportunities"),
    )
    assert len(output.ids()) == 400 == len(set(output.ids()))
    properties = output.schema()["properties"]
    assert {*output.records()[0], "_sdc_deleted_at"} == set(properties)
    stored = {o["marketoGUID"]: o for o in sandbox.instance.opportunities()}
    for record in output.records():
        assert record["name"] == stored[record["marketoGUID"]]["name"]
        assert isinstance(record["amount"], int | float | None)
        assert record["updatedAt"].endswith("Z")
        assert "seq" not in record


def test_known_ids_cost_no_call_but_the_full_ones(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    before = len(sandbox.journal())
    sync({**sandbox.credentials, "filter_values": _ids(sandbox)}, catalog=catalog)
    operations = [call["operation"] for call in sandbox.journal()[before:]]
    assert operations == ["identity", "query opportunity", "query opportunity"]


def test_without_a_catalog_two_describes_come_first(sandbox, sync):
    sync({**sandbox.credentials, "filter_values": _ids(sandbox)[:5], "field_names": ["name"]})
    operations = [call["operation"] for call in sandbox.journal()]
    assert operations[:4] == [
        "identity",
        "describe opportunity",
        "describe role",
        "query opportunity",
    ]


def test_deselected_fields_are_not_requested(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", fields=["name", "stage"])
    output = sync({**sandbox.credentials, "filter_values": _ids(sandbox)[:5]}, catalog=catalog)
    wanted = {"marketoGUID", "updatedAt", "name", "stage"}
    assert set(output.records()[0]) == wanted
    assert {*wanted, "_sdc_deleted_at"} == set(output.schema()["properties"])
    asked = _data_calls(sandbox)[0]["parameters"]["fields"].split(",")
    # The field looked up by is needed to tell which values found nothing.
    assert set(asked) == {*wanted, "externalOpportunityId"}


def test_values_not_found_are_counted_and_named_at_debug_level(sandbox, catalog_of, sync, caplog):
    caplog.set_level("DEBUG", "tap-marketo-opps")
    values = [*_ids(sandbox)[:3], "gone-1", "gone-2"]
    sync(
        {**sandbox.credentials, "filter_values": values},
        catalog=catalog_of(sandbox, "opportunities"),
    )
    assert "opportunities: 3 records, 1 call, 0 retries" in caplog.text
    assert "nothing found for 2 values" in caplog.text
    named = [r for r in caplog.records if "gone-1" in r.getMessage()]
    assert {record.levelname for record in named} == {"DEBUG"}


def test_values_that_are_no_keys_stay_out_of_the_log_at_any_level(
    sandbox, catalog_of, sync, caplog
):
    caplog.set_level("DEBUG")
    values = [f"Nowhere {number}" for number in range(300)]
    sync(
        {**sandbox.credentials, "filter_type": "region", "filter_values": values},
        catalog=catalog_of(sandbox, "opportunities"),
    )
    assert "No opportunities has region in 300 values" in caplog.text
    assert "Nowhere" not in caplog.text


def test_case_and_blanks_around_do_not_make_a_value_missing(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    value = next(i for i in _ids(sandbox) if i.startswith("OPP"))
    sync(
        {**sandbox.credentials, "filter_values": [f" {value.lower()} "]},
        catalog=catalog_of(sandbox, "opportunities"),
    )
    assert "1 record" in caplog.text
    assert "nothing found for" not in caplog.text


def test_roles_are_found_by_opportunities_without_double_calls(sandbox, catalog_of, sync):
    config = {**sandbox.credentials, "filter_values": _ids(sandbox)[:300]}
    both = sync(config, catalog=catalog_of(sandbox, "opportunities", "opportunity_roles"))
    wanted = set(_ids(sandbox)[:300])
    roles = [r for r in sandbox.instance.roles() if r["externalOpportunityId"] in wanted]
    assert sorted(both.ids("opportunity_roles")) == sorted(r["marketoGUID"] for r in roles)
    calls = [c["operation"] for c in _data_calls(sandbox)]
    assert calls.count("query opportunity") == 1
    assert calls.count("query role") == -(-len(roles) // 300)


def test_an_opportunity_is_written_before_its_roles(sandbox, catalog_of, sync):
    output = sync(
        {**sandbox.credentials, "filter_values": _ids(sandbox)},
        catalog=catalog_of(sandbox, "opportunities", "opportunity_roles"),
    )
    written = set()
    for message in output.messages:
        if message["type"] == "RECORD":
            external_id = message["record"]["externalOpportunityId"]
            if message["stream"] == "opportunities":
                written.add(external_id)
            else:
                assert external_id in written


def test_roles_alone_by_external_id_need_no_opportunities(sandbox, catalog_of, sync):
    output = sync(
        {**sandbox.credentials, "filter_values": _ids(sandbox)},
        catalog=catalog_of(sandbox, "opportunity_roles"),
    )
    assert sorted(output.ids("opportunity_roles")) == sorted(
        role["marketoGUID"] for role in sandbox.instance.roles()
    )
    assert {c["operation"] for c in _data_calls(sandbox)} == {"query role"}


def test_roles_alone_by_another_field_go_through_the_opportunities(sandbox, catalog_of, sync):
    guids = [o["marketoGUID"] for o in sandbox.instance.opportunities()][:50]
    output = sync(
        {**sandbox.credentials, "filter_type": "idField", "filter_values": guids},
        catalog=catalog_of(sandbox, "opportunity_roles"),
    )
    external_ids = {
        o["externalOpportunityId"]
        for o in sandbox.instance.opportunities()
        if o["marketoGUID"] in guids
    }
    expected = [
        r["marketoGUID"]
        for r in sandbox.instance.roles()
        if r["externalOpportunityId"] in external_ids
    ]
    assert sorted(output.ids("opportunity_roles")) == sorted(expected)
    assert not output.records("opportunities")
    asked = _data_calls(sandbox)[0]["parameters"]["fields"].split(",")
    assert set(asked) == {"marketoGUID", "externalOpportunityId", "updatedAt"}


def test_with_the_same_values_only_changes_since_the_bookmark_come(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    config = {**sandbox.credentials, "filter_values": _ids(sandbox)}
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(config, catalog=catalog)
    sandbox.advance(60)
    changed = _ids(sandbox)[10:35]
    sandbox.instance.change(changed, {"stage": "Won"})
    second = sync(config, catalog=catalog, state=first.state)
    ids = second.ids(key="externalOpportunityId")
    newest = first.bookmark()["replication_key_value"]
    border = [r["externalOpportunityId"] for r in first.records() if r["updatedAt"] == newest]
    assert sorted(ids) == sorted({*changed, *border})


def test_other_values_are_emitted_however_old_and_a_line_says_so(
    sandbox, catalog_of, sync, caplog, tmp_path
):
    caplog.set_level("INFO")
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(_ids(sandbox)[:100]))
    config = {**sandbox.credentials, "filter_values_path": str(path)}
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(config, catalog=catalog)
    assert not [r for r in caplog.messages if "emitting every record found" in r]

    again = tmp_path / "same-content-other-name.txt"
    again.write_text("\r\n".join(_ids(sandbox)[:100]) + "\r\n\r\n")
    config["filter_values_path"] = str(again)
    second = sync(config, catalog=catalog, state=first.state)
    assert len(second.records()) < 100

    again.write_text("\n".join(_ids(sandbox)[:101]))
    third = sync(config, catalog=catalog, state=second.state)
    assert len(third.records()) == 101
    assert [r for r in caplog.messages if "emitting every record found" in r]


def test_a_bookmark_written_by_hand_is_taken_at_its_word(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    config = {**sandbox.credentials, "filter_values": _ids(sandbox)}
    everything = sync(config, catalog=catalog)
    middle = sorted(r["updatedAt"] for r in everything.records())[200]
    state = {
        "bookmarks": {
            "opportunities": {
                "replication_key": "updatedAt",
                "replication_key_value": middle.replace("Z", "+00:00"),
            }
        }
    }
    output = sync(config, catalog=catalog, state=state)
    expected = [r["marketoGUID"] for r in everything.records() if r["updatedAt"] >= middle]
    assert output.ids() == expected
    assert len(expected) < 400


def test_start_date_leaves_out_what_is_older(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    config = {**sandbox.credentials, "filter_values": _ids(sandbox)}
    everything = sync(config, catalog=catalog)
    middle = sorted(r["updatedAt"] for r in everything.records())[200]
    output = sync({**config, "start_date": middle}, catalog=catalog)
    assert len(output.records()) == sum(r["updatedAt"] >= middle for r in everything.records())


@pytest.mark.parametrize("concurrency", [2, 10])
def test_the_order_is_that_of_the_pages_whatever_the_concurrency(
    sandbox, catalog_of, sync, concurrency
):
    regions = sorted({o["region"] for o in sandbox.instance.opportunities() if o.get("region")})
    config = {
        **sandbox.credentials,
        "filter_type": "region",
        "filter_values": regions,
        "batch_size": 7,
    }
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    one = sync({**config, "max_concurrent_calls": 1}, catalog=catalog)
    many = sync({**config, "max_concurrent_calls": concurrency}, catalog=catalog)
    order = [(m["stream"], m["record"]["marketoGUID"]) for m in one.messages if "record" in m]
    assert order == [
        (m["stream"], m["record"]["marketoGUID"]) for m in many.messages if "record" in m
    ]
    assert order


def test_as_many_calls_are_in_flight_as_allowed_and_never_more(
    marketo_sandbox_factory, catalog_of, sync
):
    sandbox = marketo_sandbox_factory(
        opportunities=3000, leads=10, latency_ms=60, limits={"enforced": False}
    )
    sync(
        {
            **sandbox.credentials,
            "filter_values": _ids(sandbox),
            "batch_size": 300,
            "max_concurrent_calls": 4,
        },
        catalog=catalog_of(sandbox, "opportunities"),
    )
    assert max(call["in_flight"] for call in _data_calls(sandbox)) == 4


def test_a_filter_type_not_searchable_is_reported_with_valid_ones(sandbox, sync, catalog_of):
    config = {**sandbox.credentials, "filter_type": "stage", "filter_values": ["Won"]}
    for catalog in (None, catalog_of(sandbox, "opportunities")):
        with pytest.raises(
            SettingsError, match=r"'stage' is not searchable .* region, legacyNumber"
        ):
            sync(config, catalog=catalog)


def test_no_state_covers_a_record_that_was_not_written(sandbox, catalog_of, sync):
    output = sync(
        {**sandbox.credentials, "filter_values": _ids(sandbox), "batch_size": 20},
        catalog=catalog_of(sandbox, "opportunities"),
    )
    types = "".join(kind[:2] for kind in output.types)
    assert types == "SC" + ("RE" * 20 + "ST") * 15 + ("RE" * 20 + "ST") * 5 + "ST"
    resumes = [state["bookmarks"]["opportunities"]["resume"] for state in output.states]
    assert all(isinstance(resume, str) for resume in resumes[:-1])
    assert resumes[-1] is None


def test_with_the_same_values_only_changed_roles_or_deals_come(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    config = {**sandbox.credentials, "filter_values": sandbox.instance.opportunity_ids()}
    first = sync(config, catalog=catalog)
    sandbox.advance(3600)
    changed = min(role["externalOpportunityId"] for role in sandbox.instance.roles())
    sandbox.instance.change([changed], {"stage": "Won"})
    second = sync(config, catalog=catalog, state=first.state)
    newest = first.bookmark("opportunity_roles")["replication_key_value"]
    everything = [*first.records(), *first.records("opportunity_roles")]
    border = {each["externalOpportunityId"] for each in everything if each["updatedAt"] >= newest}
    told = {role["externalOpportunityId"] for role in second.records("opportunity_roles")}
    assert changed in told
    assert told <= {changed} | border
    assert len(border) < 10
    sandbox.set_clock(datetime(2099, 1, 2, tzinfo=UTC))
    late = sync({**config, "start_date": "2099-01-01T00:00:00Z"}, catalog=catalog)
    assert not late.records("opportunity_roles")


def test_a_full_table_after_an_interrupted_run_is_whole(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    catalog = catalog_of(sandbox, "opportunities")
    ids = sandbox.instance.opportunity_ids()
    config = {**sandbox.credentials, "filter_values": ids, "batch_size": 20}
    first = sync(config, catalog=catalog)
    sandbox.advance(3600)
    sandbox.instance.change(ids, {"stage": "Won"})
    part = sync(config, catalog=catalog, state=first.state, most_bytes=60_000)
    assert part.bookmark()["resume"]
    full = copy.deepcopy(catalog)
    for entry in full["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    assert len(sync(config, catalog=full, state=part.state).records()) == len(ids)


def test_what_comes_back_for_another_id_is_reported(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    ids = sandbox.instance.opportunity_ids()[:5]
    asked = [ids[0].lower(), *ids[1:]]
    config = {**sandbox.credentials, "filter_values": asked}
    output = sync(config, catalog=catalog_of(sandbox, "opportunities"))
    assert output.ids(key="externalOpportunityId") == ids
    assert (
        "1 record returned for an id that was not requested (different case or blanks)"
        in caplog.text
    )
    caplog.clear()
    sync({**config, "filter_values": ids}, catalog=catalog_of(sandbox, "opportunities"))
    assert "not asked for" not in caplog.text
