"""Tests of `find_by: lead_ids` and `find_by: activities`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from marketo_opps import CrmManagedError, SettingsError
from tap_marketo_opps.sync.error_advice import NoOpportunitiesError, NoRolesError
from tests.pipeline.compare import keys_with_a_role
from tests.tap_marketo_opps.helpers import by_lead_ids

ACTIVITIES = "opportunity_activities"
LONG_AGO = "2020-01-01T00:00:00Z"


def _log(sandbox, **more):
    return {**sandbox.credentials, "find_by": "activities", "start_date": LONG_AGO, **more}


def _operations(sandbox, since):
    return [call["operation"] for call in sandbox.journal()[since:]]


def _link(sandbox, lead, external_id):
    """Give a lead a role by the API, as another tool would."""
    import requests  # noqa: PLC0415 - this helper alone speaks HTTP

    token = requests.get(
        f"{sandbox.endpoint}/identity/oauth/token",
        params={
            "grant_type": "client_credentials",
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
        },
        timeout=5,
    ).json()["access_token"]
    answer = requests.post(
        f"{sandbox.endpoint}/rest/v1/opportunities/roles.json",
        json={"input": [{"externalOpportunityId": external_id, "leadId": lead, "role": "New"}]},
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    ).json()
    assert answer["result"][0]["status"] == "created"


def test_a_sweep_finds_every_opportunity_with_a_role_once(sandbox, catalog_of, sync):
    output = sync(by_lead_ids(sandbox), catalog=catalog_of(sandbox, "opportunities"))
    found = output.ids(key="externalOpportunityId")
    assert sorted(found) == sorted(keys_with_a_role(sandbox))


def test_a_file_of_leads_is_swept_as_a_range_is(sandbox, catalog_of, sync, tmp_path):
    path = tmp_path / "smart-list.txt"
    path.write_text("\n".join(map(str, sandbox.instance.lead_ids())))
    config = {**sandbox.credentials, "find_by": "lead_ids", "lead_ids_path": str(path)}
    output = sync(config, catalog=catalog_of(sandbox, "opportunities"))
    assert sorted(output.ids(key="externalOpportunityId")) == sorted(keys_with_a_role(sandbox))


def test_both_streams_take_no_more_calls_than_opportunities_alone(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    both_catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    before = len(sandbox.journal())
    sync(by_lead_ids(sandbox), catalog=catalog)
    alone = _operations(sandbox, before)
    before = len(sandbox.journal())
    both = sync(by_lead_ids(sandbox), catalog=both_catalog)
    together = _operations(sandbox, before)
    assert sorted(together[1:]) == sorted(alone[1:])
    assert sorted(both.ids("opportunity_roles")) == sorted(
        role["marketoGUID"] for role in sandbox.instance.roles()
    )


def _asked(sandbox, operation, since=0):
    """Return the number of keys of each lookup, without its further pages."""
    return [
        call["asked"]
        for call in sandbox.journal()[since:]
        if call["operation"] == operation and "nextPageToken" not in call["parameters"]
    ]


def test_calls_are_full_but_for_the_last(marketo_sandbox_factory, catalog_of, sync):
    sandbox = marketo_sandbox_factory(opportunities=600, leads=900, limits={"enforced": False})
    sync(by_lead_ids(sandbox), catalog=catalog_of(sandbox, "opportunities"))
    asked = _asked(sandbox, "query opportunity")
    assert sorted(asked, reverse=True) == [300, len(keys_with_a_role(sandbox)) - 300]


def test_a_second_sweep_emits_what_changed_or_whose_role_did(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    first = sync(by_lead_ids(sandbox), catalog=catalog)
    sandbox.advance(3600)
    lead = sandbox.instance.lead_ids()[0]
    untouched = next(
        i for i in sandbox.instance.opportunity_ids() if i not in keys_with_a_role(sandbox)
    )
    _link(sandbox, lead, untouched)
    changed = sorted(keys_with_a_role(sandbox) - {untouched})[:7]
    sandbox.instance.change(changed, {"stage": "Won"})
    second = sync(by_lead_ids(sandbox), catalog=catalog, state=first.state)
    newest = first.bookmark()["replication_key_value"]
    border = {r["externalOpportunityId"] for r in first.records() if r["updatedAt"] == newest}
    found = second.ids(key="externalOpportunityId")
    assert set(found) - border == {*changed, untouched} - border
    assert untouched in second.ids("opportunity_roles", key="externalOpportunityId")


def test_leads_outside_the_swept_range_bring_old_opportunities_too(sandbox, catalog_of, sync):
    leads = sandbox.instance.lead_ids()
    catalog = catalog_of(sandbox, "opportunities")
    half = leads[len(leads) // 2]
    first = sync(by_lead_ids(sandbox, lead_id_to=half), catalog=catalog)
    second = sync(by_lead_ids(sandbox), catalog=catalog, state=first.state)
    found = {*first.ids(key="externalOpportunityId"), *second.ids(key="externalOpportunityId")}
    assert found == keys_with_a_role(sandbox)
    assert len(second.records()) < len(found)


def test_leads_outside_the_range_are_new_with_a_stream_added(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    leads = sandbox.instance.lead_ids()
    alone = catalog_of(sandbox, "opportunities")
    first = sync(by_lead_ids(sandbox, lead_id_to=leads[len(leads) // 2]), catalog=alone)
    sandbox.advance(3600)
    both = catalog_of(sandbox, "opportunities", "opportunity_roles")
    second = sync(by_lead_ids(sandbox), catalog=both, state=first.state)
    found = {*first.ids(key="externalOpportunityId"), *second.ids(key="externalOpportunityId")}
    assert found == keys_with_a_role(sandbox)


def test_a_wider_range_emits_everything_since_start_date(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    leads = sandbox.instance.lead_ids()
    dates = sorted(
        each["updatedAt"] for each in sync(by_lead_ids(sandbox), catalog=catalog).records()
    )
    settings = {"start_date": dates[len(dates) // 2]}
    wanted = sync(by_lead_ids(sandbox, **settings), catalog=catalog)
    half = by_lead_ids(sandbox, **settings, lead_id_to=leads[len(leads) // 2])
    first = sync(half, catalog=catalog)
    second = sync(by_lead_ids(sandbox, **settings), catalog=catalog, state=first.state)
    for stream in ("opportunities", "opportunity_roles"):
        assert {*second.ids(stream)} == {*wanted.ids(stream)}


def test_an_opportunity_of_an_old_and_a_new_role_is_emitted_once(sandbox, catalog_of, sync):
    sandbox.advance(3600)
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(by_lead_ids(sandbox), catalog=catalog)
    sandbox.advance(3600)
    external_id = min(keys_with_a_role(sandbox))
    taken = {
        role["leadId"]
        for role in sandbox.instance.roles()
        if role["externalOpportunityId"] == external_id
    }
    lead = max(lead for lead in sandbox.instance.lead_ids() if lead not in taken)
    _link(sandbox, lead, external_id)
    sandbox.instance.change([external_id], {"stage": "Won"})
    second = sync(by_lead_ids(sandbox), catalog=catalog, state=first.state)
    assert second.ids(key="externalOpportunityId").count(external_id) == 1


def test_ids_with_a_comma_are_counted_and_named_and_the_rest_is_found(
    marketo_sandbox_factory, catalog_of, sync, caplog
):
    caplog.set_level("INFO")
    sandbox = marketo_sandbox_factory(limits={"enforced": False})
    sandbox.seed(60, leads=30, comma_ids=3)
    output = sync(by_lead_ids(sandbox), catalog=catalog_of(sandbox, "opportunities"))
    commas = {i for i in keys_with_a_role(sandbox) if "," in i}
    assert commas
    assert set(output.ids(key="externalOpportunityId")) == keys_with_a_role(sandbox) - commas
    closing = next(line for line in caplog.messages if line.startswith("opportunities: "))
    assert f"{len(commas)} external ids with a comma not looked up" in closing
    assert all(repr(external_id) in closing for external_id in commas)


def test_activities_find_what_the_log_touched(sandbox, catalog_of, sync):
    first = sync(_log(sandbox), catalog=catalog_of(sandbox, "opportunities"))
    assert first.records()
    began = first.bookmark()["log_until"]
    sandbox.advance(7200)
    changed = sorted(keys_with_a_role(sandbox))[:9]
    sandbox.instance.change(changed, {"stage": "Won"})
    second = sync(_log(sandbox), catalog=catalog_of(sandbox, "opportunities"), state=first.state)
    assert set(changed) <= set(second.ids(key="externalOpportunityId"))
    assert second.bookmark()["log_until"] > began
    assert len(second.ids()) == len(set(second.ids()))


def test_each_lead_and_each_opportunity_is_looked_up_once_a_run(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    before = len(sandbox.journal())
    sync(_log(sandbox), catalog=catalog)
    logged = sync(_log(sandbox), catalog=catalog_of(sandbox, "opportunity_activities"))
    leads = {record["leadId"] for record in logged.records("opportunity_activities")}
    found = {r["externalOpportunityId"] for r in sandbox.instance.roles() if r["leadId"] in leads}
    assert sum(_asked(sandbox, "query role", before)) == len(leads) > 0
    assert sum(_asked(sandbox, "query opportunity", before)) == len(found) > 0


def test_short_and_empty_pages_of_the_log_are_walked_through(
    marketo_sandbox_factory, catalog_of, sync
):
    found = []
    for options in ({}, {"short_pages": 0.7, "activity_scan": 5}):
        sandbox = marketo_sandbox_factory(
            opportunities=200, leads=80, seed=3, limits={"enforced": False}, **options
        )
        output = sync(_log(sandbox), catalog=catalog_of(sandbox, "opportunities"))
        found.append(set(output.ids(key="externalOpportunityId")))
    assert found[0] == found[1] != set()


def test_an_old_opportunity_that_gets_its_first_role_today_is_emitted(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(_log(sandbox), catalog=catalog)
    sandbox.advance(7200)
    untouched = next(
        i for i in sandbox.instance.opportunity_ids() if i not in keys_with_a_role(sandbox)
    )
    _link(sandbox, sandbox.instance.lead_ids()[0], untouched)
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    emitted = {r["externalOpportunityId"]: r for r in second.records()}
    assert untouched in emitted
    assert emitted[untouched]["updatedAt"] < first.bookmark()["log_until"]


def test_records_of_the_overlap_are_emitted_if_changed_within_it(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    first_ids = sorted(keys_with_a_role(sandbox))
    sandbox.advance(3600)
    sandbox.instance.change(first_ids[:2], {"stage": "Won"})
    sandbox.advance(30)
    first = sync(_log(sandbox, activity_overlap_seconds=600), catalog=catalog)
    # Nothing happens; the leads of the two are in the overlap, and so are those two alone.
    sandbox.advance(60)
    second = sync(_log(sandbox, activity_overlap_seconds=600), catalog=catalog, state=first.state)
    assert sorted(second.ids(key="externalOpportunityId")) == first_ids[:2]
    sandbox.advance(3600)
    third = sync(_log(sandbox, activity_overlap_seconds=600), catalog=catalog, state=second.state)
    sandbox.advance(3600)
    fourth = sync(_log(sandbox, activity_overlap_seconds=600), catalog=catalog, state=third.state)
    assert fourth.records() == []


def test_an_activity_that_becomes_visible_late_is_in_the_overlap(
    marketo_sandbox_factory, catalog_of, sync
):
    sandbox = marketo_sandbox_factory(
        opportunities=50, leads=30, activity_delay_seconds=120, limits={"enforced": False}
    )
    catalog = catalog_of(sandbox, "opportunities")
    external_id = min(keys_with_a_role(sandbox))
    first = sync(_log(sandbox), catalog=catalog)
    sandbox.advance(10)
    sandbox.instance.change([external_id], {"stage": "Won"})
    sandbox.advance(10)
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    assert external_id not in second.ids(key="externalOpportunityId")
    sandbox.advance(300)
    third = sync(_log(sandbox), catalog=catalog, state=second.state)
    assert external_id in third.ids(key="externalOpportunityId")


def test_a_touched_leads_other_old_deals_are_not_sent_again(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    # More than the day that the log may lag behind.
    sandbox.advance(172_800)
    first = sync(_log(sandbox), catalog=catalog)
    sandbox.advance(7200)
    changed = sorted(keys_with_a_role(sandbox))[:9]
    sandbox.instance.change(changed, {"stage": "Won"})
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    assert sorted(second.ids(key="externalOpportunityId")) == changed
    assert second.ids("opportunity_roles") == []


def test_a_first_run_emits_what_changed_since_start_date(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    everything = sync(_log(sandbox), catalog=catalog)
    moments = sorted(record["updatedAt"] for record in everything.records())
    start_date = moments[len(moments) // 2]
    found = sync(_log(sandbox, start_date=start_date), catalog=catalog)
    roles = found.records("opportunity_roles")
    assert roles
    assert {role["updatedAt"] >= start_date for role in roles} == {True}
    of_new_roles = {role["externalOpportunityId"] for role in roles}
    for record in found.records():
        is_new = record["updatedAt"] >= start_date
        assert is_new or record["externalOpportunityId"] in of_new_roles


def test_a_lead_that_others_were_merged_into_is_read_whole(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles", "opportunity_activities")
    sandbox.advance(172_800)
    first = sync(_log(sandbox), catalog=catalog)
    roles = sandbox.instance.roles()
    kept, merged = sorted({role["leadId"] for role in roles})[:2]
    sandbox.advance(7200)
    sandbox.instance.merge_leads(kept, [merged])
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    whole = [role for role in sandbox.instance.roles() if role["leadId"] == kept]
    assert sorted(second.ids("opportunity_roles")) == sorted(r["marketoGUID"] for r in whole)
    assert {role["leadId"] for role in second.records("opportunity_roles")} == {kept}
    deals = {role["externalOpportunityId"] for role in whole}
    assert {*second.ids(key="externalOpportunityId")} == deals
    assert second.records("opportunity_activities") == []


def test_a_merge_found_before_a_kill_is_read_whole_after_it(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    sandbox.advance(172_800)
    first = sync(_log(sandbox), catalog=catalog)
    kept, merged = sorted({role["leadId"] for role in sandbox.instance.roles()})[:2]
    sandbox.advance(7200)
    sandbox.instance.merge_leads(kept, [merged])
    sync(_log(sandbox), catalog=catalog, state=first.state)
    first_state = bytes(sync.raw).index(b'"resume":"{')
    end_of_first_state = bytes(sync.raw).index(b"\n", first_state) + 2
    part = sync(_log(sandbox), catalog=catalog, state=first.state, most_bytes=end_of_first_state)
    assert json.loads(part.bookmark()["resume"])["at"]["keys"]["always"] == str(kept)
    rest = sync(_log(sandbox), catalog=catalog, state=part.state)
    whole = {r["marketoGUID"] for r in sandbox.instance.roles() if r["leadId"] == kept}
    assert {*part.ids("opportunity_roles"), *rest.ids("opportunity_roles")} == whole


def test_a_lead_beyond_the_sweep_brings_its_old_deals(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    sandbox.advance(172_800)
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})
    half = leads[len(leads) // 2]
    sweep = sync(by_lead_ids(sandbox, lead_id_to=half), catalog=catalog)
    sandbox.advance(172_800)
    untouched = next(
        i for i in sandbox.instance.opportunity_ids() if i not in keys_with_a_role(sandbox)
    )
    for lead in (leads[0], leads[-1]):
        _link(sandbox, lead, untouched)
    log = {**sandbox.credentials, "find_by": "activities"}
    after = sync(log, catalog=catalog, state=sweep.state)
    told = {
        role["marketoGUID"]
        for role in sandbox.instance.roles()
        if role["leadId"] == leads[-1]
        or (role["leadId"] == leads[0] and role["externalOpportunityId"] == untouched)
    }
    assert {*after.ids("opportunity_roles")} == told
    roles = [each for each in sandbox.instance.roles() if each["marketoGUID"] in told]
    deals = {role["externalOpportunityId"] for role in roles}
    assert {*after.ids(key="externalOpportunityId")} == deals


def _closing(caplog):
    return next(line for line in caplog.messages if " retries, " in line)


@pytest.fixture
def slow_log(marketo_sandbox_factory):
    """Return an instance where a log entry becomes visible 500 seconds after its date."""
    return marketo_sandbox_factory(
        opportunities=50, leads=30, activity_delay_seconds=500, limits={"enforced": False}
    )


@pytest.mark.parametrize("passed", [200, 400])
def test_how_late_an_entry_became_visible_is_logged(slow_log, catalog_of, sync, caplog, passed):
    caplog.set_level("INFO")
    sandbox = slow_log
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    sandbox.advance(3600)
    first = sync(_log(sandbox), catalog=catalog)
    assert "became visible" not in caplog.text
    sandbox.instance.change(sorted(keys_with_a_role(sandbox))[:1], {"stage": "Won"})
    sandbox.advance(passed)
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    caplog.clear()
    sandbox.advance(600)
    third = sync(_log(sandbox), catalog=catalog, state=second.state)
    told = re.search(r"an entry of the .* visible (\d+) s late or more", _closing(caplog))
    assert passed <= int(told[1]) < passed + 60
    assert ("s after its date" in caplog.text) is (passed > 300)
    caplog.clear()
    sync(_log(sandbox), catalog=catalog, state=third.state)
    assert "no entry of the activity log became visible late" in _closing(caplog)
    assert "s after its date" not in caplog.text


def test_a_state_that_counted_nothing_of_the_log_is_resumed(sandbox, catalog_of, sync, caplog):
    # As the version before left it.
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(_log(sandbox), catalog=catalog)
    assert first.bookmark().pop("log_tail")
    caplog.clear()
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    assert "became visible" not in caplog.text
    assert second.bookmark()["log_tail"]


def test_activities_continue_after_a_sweep_without_a_gap(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, "opportunities")
    config = by_lead_ids(sandbox, batch_size=20, max_concurrent_calls=1)
    whole = sync(config, catalog=catalog)
    # Stopped half-way; changed meanwhile, before and behind where the sweep stands.
    part = sync(config, catalog=catalog, most_bytes=len(str(whole.messages)) // 3)
    sandbox.advance(5)
    changed = sorted(keys_with_a_role(sandbox))[::3]
    sandbox.instance.change(changed, {"stage": "Won"})
    rest = sync(config, catalog=catalog, state=part.state)
    assert rest.bookmark()["sweep_leads"].startswith("lead_ids ")
    log = {**sandbox.credentials, "find_by": "activities"}
    after = sync(log, catalog=catalog, state=rest.state)
    assert "Continuing after the sweep" in caplog.text
    latest = {}
    for output in (part, rest, after):
        latest |= {r["externalOpportunityId"]: r for r in output.records()}
    assert set(latest) == keys_with_a_role(sandbox)
    assert {latest[external_id]["stage"] for external_id in changed} == {"Won"}
    assert rest.bookmark()["sweep_began"] < after.bookmark()["log_until"]


def test_a_full_table_reads_the_log_from_the_start_date_each_time(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    first = sync(_log(sandbox), catalog=catalog)
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    assert first.records()
    assert sorted(second.ids()) == sorted(first.ids())


def test_without_start_date_or_cursor_activities_say_what_is_missing(sandbox, catalog_of, sync):
    with pytest.raises(SettingsError, match="start_date is required"):
        sync(
            {**sandbox.credentials, "find_by": "activities"},
            catalog=catalog_of(sandbox, "opportunities"),
        )


def test_without_roles_the_message_says_what_still_works(marketo_sandbox_factory, sync, caplog):
    sandbox = marketo_sandbox_factory(
        opportunities=20, leads=10, crm_sync="read-only", limits={"enforced": False}
    )
    ids = sandbox.instance.opportunity_ids()
    output = sync({**sandbox.credentials, "filter_values": ids})
    assert len(output.records()) == 20
    assert "only be found with find_by: filter" in caplog.text
    caplog.set_level("INFO")
    with pytest.raises(NoRolesError, match=r"1018 .* only be found with find_by: filter") as caught:
        sync({**sandbox.credentials, "find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 9})
    assert "Set find_by to filter and deselect opportunity_roles." in str(caught.value)
    assert "tart again" not in caplog.text


@pytest.mark.parametrize("values", [["x"], ["x" * 200 + str(number) for number in range(20)]])
def test_where_a_crm_sync_lets_nobody_read_nothing_is_said_of_writing(
    marketo_sandbox_factory, catalog_of, sync, caplog, values
):
    caplog.set_level("INFO")
    limits = {"enforced": False}
    catalog = catalog_of(marketo_sandbox_factory(limits=limits), "opportunities")
    sandbox = marketo_sandbox_factory(crm_sync="disabled", limits=limits)
    with pytest.raises(NoOpportunitiesError, match=r"1018 .*read it from the CRM") as caught:
        sync({**sandbox.credentials, "filter_values": values}, catalog=catalog)
    assert "requestId" in str(caught.value)
    assert "writ" not in str(caught.value)
    assert "Change them" not in str(caught.value)
    assert "tart again" not in caplog.text


def test_a_description_that_a_crm_sync_refuses_is_reported_as_a_read(marketo_sandbox_factory, sync):
    sandbox = marketo_sandbox_factory(crm_sync="disabled", limits={"enforced": False})
    with pytest.raises(CrmManagedError, match=r"describe.* read it from the CRM"):
        sync({**sandbox.credentials, "filter_values": ["x"]})


def test_log_entries_come_with_type_names_and_attribute_objects(sandbox, catalog_of, sync):
    config = _log(sandbox, batch_size=50)
    output = sync(config, catalog=catalog_of(sandbox, "opportunity_activities"))
    records = output.records("opportunity_activities")
    assert records
    assert {record["activityType"] for record in records} <= {
        "Add to Opportunity",
        "Remove from Opportunity",
        "Update Opportunity",
    }
    assert all(isinstance(record["attributes"], dict) for record in records)
    assert any(record["attributes"] for record in records)
    assert all(isinstance(record["leadId"], int) for record in records)
    newest = max(record["activityDate"] for record in records)
    bookmark = output.bookmark("opportunity_activities")
    assert (bookmark["replication_key"], bookmark["replication_key_value"]) == (
        "activityDate",
        newest,
    )
    operations = {call["operation"] for call in sandbox.journal()}
    assert not operations & {"query role", "query opportunity"}


def test_the_log_is_walked_once_for_the_finder_and_for_the_stream(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    before = len(sandbox.journal())
    sync(_log(sandbox), catalog=catalog)
    without = _operations(sandbox, before).count("activities")
    everything = catalog_of(sandbox, "opportunities", "opportunity_roles", "opportunity_activities")
    before = len(sandbox.journal())
    output = sync(_log(sandbox), catalog=everything)
    assert _operations(sandbox, before).count("activities") == without
    assert output.records("opportunity_activities")
    assert {*output.state["bookmarks"]} == {
        "opportunities",
        "opportunity_roles",
        "opportunity_activities",
    }


def test_a_role_that_was_removed_is_reported_by_the_log(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunity_activities")
    first = sync(_log(sandbox), catalog=catalog)
    sandbox.advance(60)
    sandbox.instance.change(sorted(keys_with_a_role(sandbox))[:1], {"stage": "Won"})
    second = sync(_log(sandbox), catalog=catalog, state=first.state)
    newer = [
        record
        for record in second.records("opportunity_activities")
        if record["activityDate"] > first.bookmark("opportunity_activities")["log_until"]
    ]
    assert {record["activityType"] for record in newer} == {"Update Opportunity"}


def test_a_run_begins_by_saying_how_it_finds(sandbox, sync, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "leads.txt").write_text("1\n2\n")
    ways = {
        "Finding by activities, since 2026-01-01T00:00:00Z.": {"start_date": "2026-01-01"},
        "Finding by lead_ids 1-2000.": {
            "find_by": "lead_ids",
            "lead_id_from": 1,
            "lead_id_to": 2000,
        },
        "Finding by lead_ids 1-9; records from before start_date (2026-01-01T00:00:00Z) are "
        "skipped.": {
            "find_by": "lead_ids",
            "lead_id_from": 1,
            "lead_id_to": 9,
            "start_date": "2026-01-01",
        },
        "Finding by lead_ids, 2 of them.": {
            "find_by": "lead_ids",
            "lead_ids_path": str(tmp_path / "leads.txt"),
        },
        "Finding by filter of externalOpportunityId, 2 values.": {"filter_values": ["a", "b"]},
        "Finding by filter of region, 1 value.": {"filter_type": "region", "filter_values": ["a"]},
    }
    for told, settings in ways.items():
        caplog.clear()
        sync({**sandbox.credentials, **settings})
        assert [line for line in caplog.messages if line.startswith("Finding")] == [told]


def test_a_sweep_of_a_file_hands_over_from_when_it_was_made(sandbox, catalog_of, sync, tmp_path):
    sandbox.advance(3600)
    leads = sorted({role["leadId"] for role in sandbox.instance.roles()})
    path = tmp_path / "leads.txt"
    path.write_text("\n".join(map(str, leads[1:])))
    made_at = int(path.stat().st_mtime)
    untouched = next(
        i for i in sandbox.instance.opportunity_ids() if i not in keys_with_a_role(sandbox)
    )
    # A deal of a lead that came after the list was made, and before it was swept.
    _link(sandbox, leads[0], untouched)
    sandbox.advance(3600)
    catalog = catalog_of(sandbox, "opportunities")
    config = {**sandbox.credentials, "find_by": "lead_ids", "lead_ids_path": str(path)}
    swept = sync(config, catalog=catalog)
    moment = datetime.fromtimestamp(made_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert swept.bookmark()["sweep_began"] == moment
    assert untouched not in swept.ids(key="externalOpportunityId")
    log = {**sandbox.credentials, "find_by": "activities"}
    after = sync(log, catalog=catalog, state=swept.state)
    assert untouched in after.ids(key="externalOpportunityId")


def test_records_without_a_key_are_reported_and_never_emitted(sandbox, catalog_of, sync, caplog):
    sandbox.fault("patch", operation="query opportunity", each={"marketoGUID": None})
    sandbox.fault("patch", operation="activities", each={"marketoGUID": None})
    output = sync(_log(sandbox), catalog=catalog_of(sandbox, "opportunities", ACTIVITIES))
    assert output.records() == []
    assert "of opportunities skipped: Marketo sent no marketoGUID" in caplog.text
    assert all(output.ids(ACTIVITIES))
    assert f"of {ACTIVITIES} skipped" not in caplog.text


def test_deals_that_roles_name_and_nobody_has_are_counted(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    (role, *_) = sandbox.instance.roles()
    where = {"externalOpportunityId": role["externalOpportunityId"]}
    sandbox.fault("patch", operation="query opportunity", where=where, drop=True)
    sync(by_lead_ids(sandbox), catalog=catalog_of(sandbox, "opportunities", "opportunity_roles"))
    assert "; 1 opportunity named by roles not found" in caplog.text


def test_roles_that_name_no_opportunity_are_counted(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    (role, *_) = sandbox.instance.roles()
    where = {"marketoGUID": role["marketoGUID"]}
    nameless = {"externalOpportunityId": {"$value": None}}
    sandbox.fault("patch", operation="query role", where=where, each=nameless)
    sync(by_lead_ids(sandbox), catalog=catalog_of(sandbox, "opportunities", "opportunity_roles"))
    assert "; 1 role without externalOpportunityId" in caplog.text
