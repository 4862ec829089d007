"""Tests of which streams share a run, of its finder, and of the state it resumes from."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from marketo_opps import ObjectDescription, Page, SettingsError
from tap_marketo_opps.finding.activity_types import FollowedTypes
from tap_marketo_opps.finding.finders import ActivityFinder, FilterFinder, LeadFinder
from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.sync.run_context import RunContext
from tap_marketo_opps.sync.start_run import start_run, streams_sharing_a_run
from tap_marketo_opps.sync.stream_output import StreamCounts, StreamOutput
from tap_marketo_opps.sync.time_box import TimeBox

NEVER = "2999-01-01T00:00:00Z"
EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
FILTER = {"filter_values": ["a", "b"]}
LEADS = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 900}
LOG = {"find_by": "activities", "start_date": EARLY}
SEARCHABLE = ObjectDescription("", "marketoGUID", (), (("region",), ("a", "b")), ())


class Client:
    """A client that records its calls."""

    def __init__(self):
        self.asked = []

    def earliest_now(self):
        return NOW

    def query(self, obj, **asked):
        self.asked.append((str(obj), asked))
        return Page([], None, more=False, request_id=None)


def _stream(name, state=None, **more):
    plain = {
        "fields": ("marketoGUID", f"of {name}"),
        "is_incremental": True,
        "replication_key": "updatedAt",
        "record_limit": float("inf"),
        "state": state or {},
        "counts": StreamCounts(),
        "found_in": name,
        **dict.fromkeys(
            ("convert_page", "encode", "write_schema", "records_in", "field_types", "note_misfit")
        ),
    }
    return {name: StreamOutput(name, **(plain | more))}


def _settings(**settings):
    config = {
        "endpoint": "https://one.example",
        "filter_type": "dedupeFields",
        "activity_overlap_seconds": 600,
        "batch_size": 300,
        "max_concurrent_calls": 4,
    }
    return config | settings


def _run(settings, *streams, client=None, **more):
    client = client or Client()
    context = RunContext(_settings(**settings), client, object(), {"bookmarks": {}}, TimeBox())
    arguments = {
        "opportunities": SEARCHABLE,
        "activity_types": lambda: FollowedTypes({34: "Add to Opportunity"}, merges=(32,)),
    }
    outputs = {k: v for one in streams for k, v in one.items()}
    return start_run(outputs, context, **(arguments | more))


def _page(*log):
    return Page(log, "next", more=True, request_id=None)


def _paused(settings, name, at):
    """Return the bookmark of an interrupted run with these settings."""
    run = _run(settings, _stream(name))
    return run.bookmarks[name].paused(replace(run.plan.resume, at=at)).to_state("updatedAt")


ALL = (
    "opportunity_roles",
    "opportunities",
    "opportunity_activities",
    "opportunity_changes",
    "opportunity_role_changes",
)


@pytest.mark.parametrize(
    ("name", "way", "together"),
    [
        ("opportunities", "activities", ALL),
        ("opportunity_activities", "activities", ALL),
        ("opportunities", "filter", ALL[:2]),
        ("opportunity_roles", "lead_ids", ALL[:2]),
        ("opportunity_activities", "lead_ids", ALL[2:]),
        ("opportunity_changes", "lead_ids", ALL[2:]),
    ],
)
def test_streams_that_one_finder_serves_share_its_calls(name, way, together):
    assert tuple(streams_sharing_a_run(name, ALL, way)) == together


def test_only_what_is_selected_takes_part():
    assert streams_sharing_a_run("opportunities", ["opportunities"], "filter") == ["opportunities"]


def test_a_run_begins_with_streams_bookmarks_and_first_keys():
    streams = _stream("opportunities", {"replication_key_value": LATE})
    run = _run(FILTER, streams)
    assert run.outputs == streams
    assert run.bookmarks["opportunities"].value == LATE
    assert run.plan.resume.began == "2026-04-01T00:00:00Z"
    assert run.stages.source.next_cursor().keys == {"a": False, "b": False}


@pytest.mark.parametrize(
    ("settings", "name", "finder"),
    [
        (FILTER, "opportunities", FilterFinder),
        (LEADS, "opportunity_roles", LeadFinder),
        (LOG, "opportunities", ActivityFinder),
        (LEADS | {"start_date": EARLY}, "opportunity_activities", ActivityFinder),
        (FILTER | {"start_date": EARLY}, "opportunity_activities", ActivityFinder),
        (FILTER | {"start_date": EARLY}, "opportunity_changes", ActivityFinder),
    ],
)
def test_the_log_is_read_for_its_own_stream_in_any_case(settings, name, finder):
    assert type(_run(settings, _stream(name)).finder) is finder


def test_an_unsearchable_filter_type_is_refused_up_front():
    with pytest.raises(SettingsError, match=r"'?b'?.*region"):
        _run(FILTER | {"filter_type": "b"}, _stream("opportunities"))
    finder = _run(FILTER | {"filter_type": "region"}, _stream("opportunities")).finder
    assert finder.filter_type == "region"


def test_where_describe_was_not_asked_marketo_says_what_filters():
    run = _run(FILTER | {"filter_type": "b"}, _stream("opportunities"), opportunities=None)
    assert run.finder.filter_type == "b"


@pytest.mark.parametrize(
    ("found_by", "settings", "new"),
    [
        (("lead_ids 1-5", "lead_ids 1-5"), {}, [6, 8]),
        (("lead_ids 1-5", "lead_ids 1-7"), {}, [6, 8]),
        (("lead_ids 1-7", "lead_ids 1-7"), {}, [8]),
        (("lead_ids 1-5", "lead_ids 1-900"), {}, [6, 8]),
        (("lead_ids 1-5", None), {}, [6, 8]),
        (("lead_ids 1-5", "lead_ids 1-5"), {"start_date": EARLY}, []),
    ],
)
def test_a_sweep_knows_the_ranges_of_its_streams_before(found_by, settings, new):
    states = [{"found_by": each} for each in found_by]
    names = ("opportunities", "opportunity_roles")
    run = _run(LEADS | settings, *map(_stream, names, states))
    roles = [{"leadId": lead} for lead in (1, 6, 8)]
    assert [role["leadId"] for role in roles if run.finder.is_of_new_lead(role)] == new


def _until(moment):
    return {"found_by": "activities", "log_until": moment}


def test_the_log_is_read_from_the_earliest_cursor_less_the_overlap():
    run = _run(
        LOG,
        _stream("opportunities", _until(LATE)),
        _stream("opportunity_roles", _until(MIDDLE)),
    )
    assert run.plan.resume.cursor == MIDDLE
    assert run.plan.resume.log_from == run.stages.source.reached == "2026-01-31T23:50:00Z"


def test_a_full_table_has_the_log_read_from_the_start():
    run = _run(
        LOG,
        _stream("opportunities", _until(LATE)),
        _stream("opportunity_roles", _until(LATE), is_incremental=False),
    )
    resumes = run.plan.resumes
    assert {(each.cursor, each.log_from) for each in resumes.values()} == {(None, EARLY)}
    assert resumes["opportunities"].since == EARLY
    assert resumes["opportunity_roles"].since is None


def test_leads_beyond_the_sweep_before_the_log_are_new():
    swept = {"sweep_began": LATE, "sweep_leads": "lead_ids 1-5", "found_by": "lead_ids 1-5"}
    run = _run(LOG, _stream("opportunities", swept))
    roles, _ = run.stages.lookups
    list(roles.accept(PageResult("opportunity_activities", (), keys=(("5", False), ("6", False)))))
    roles.flush_partial()
    old = [{"leadId": lead, "updatedAt": MIDDLE} for lead in (5, 6)]
    page = Page(old, None, more=False, request_id=None)
    found, *_ = roles.process(roles.next_cursor(), page)
    assert [found.emit_regardless_of_age(role) for role in old] == [False, True]


def test_start_date_and_bookmark_say_what_is_new():
    state = {"found_by": "lead_ids 1-900", "replication_key_value": MIDDLE}
    known = _stream("opportunities", state)
    for start_date, since in ((EARLY, MIDDLE), (LATE, LATE), (None, MIDDLE)):
        resume = _run(LEADS | {"start_date": start_date}, known).plan.resume
        assert (resume.since, resume.cursor, resume.log_from) == (since, None, None)
    again = _run(LEADS, _stream("opportunities", state, is_incremental=False))
    assert again.plan.resume.since is None


def test_each_stream_is_requested_its_own_fields_in_pages_of_one_size():
    client = Client()
    run = _run(LEADS, _stream("opportunity_roles"), _stream("opportunities"), client=client)
    run.stages.source.calls(run.stages.source.next_cursor())(None)()
    (opportunities,) = run.stages.lookups
    role = {"externalOpportunityId": "o1", "updatedAt": LATE}
    list(opportunities.accept(PageResult("opportunity_roles", [role])))
    opportunities.flush_partial()
    opportunities.calls(opportunities.next_cursor())(None)()
    assert [obj for obj, _ in client.asked] == ["opportunity_roles", "opportunities"]
    for obj, asked in client.asked:
        assert f"of {obj}" in asked["fields"]
        assert asked["batch_size"] == 300


@pytest.mark.parametrize(("since", "looked_up"), [(EARLY, []), (LATE, ["o1"])])
def test_what_is_new_is_decided_stream_by_stream(since, looked_up):
    old = {"found_by": "lead_ids 1-900", "replication_key_value": EARLY}
    new = old | {"replication_key_value": since}
    run = _run(LEADS, _stream("opportunity_roles", old), _stream("opportunities", new))
    (opportunities,) = run.stages.lookups
    aged = {"externalOpportunityId": "o1", "updatedAt": EARLY}
    list(opportunities.accept(PageResult("opportunity_roles", [aged])))
    opportunities.flush_partial()
    found = Page([{**aged, "updatedAt": MIDDLE}], None, more=False, request_id=None)
    list(opportunities.process(opportunities.next_cursor(), found))
    # For a role that is new its opportunity is looked up again, unless it is new by itself.
    list(opportunities.accept(PageResult("opportunity_roles", [aged | {"updatedAt": NEVER}])))
    opportunities.flush_partial()
    again = opportunities.next_cursor()
    assert [*(again.keys if again else ())] == looked_up


def test_an_interrupted_sweep_resumes_where_it_stopped():
    at = {"next": 600, "open": [], "done": 600, "unmatched": 7}
    run = _run(LEADS, _stream("opportunities", _paused(LEADS, "opportunities", at)))
    assert run.plan.resume.at == at
    assert run.stages.source.next_cursor().start == 600


def test_an_interrupted_log_resumes_where_it_stopped():
    log = _run(LOG, _stream("opportunities")).stages.source
    result, _ = log.process(log.next_cursor(), _page({"leadId": 1, "activityDate": LATE}))
    run = _run(
        LOG, _stream("opportunities", _paused(LOG, "opportunities", result.resolve_position()))
    )
    assert run.stages.source.next_cursor().token == "next"
    assert run.stages.source.reached == LATE


def _fingerprint(settings, **more):
    return _run(settings, _stream("opportunities", **more)).plan.resume.fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 299},
        {"start_date": LATE},
        {"activity_overlap_seconds": 601},
    ],
)
def test_a_position_belongs_to_settings_that_say_what_is_read(changed):
    assert _fingerprint(LOG) != _fingerprint(LOG | changed)


def test_a_position_belongs_to_keys_and_selected_fields():
    assert _fingerprint(LEADS) != _fingerprint(LEADS | {"lead_id_to": 901})
    assert _fingerprint(LEADS) != _fingerprint(LEADS, fields=("marketoGUID",))
    both = _run(LEADS, _stream("opportunities"), _stream("opportunity_roles"))
    assert both.plan.resume.fingerprint != _fingerprint(LEADS)


def test_a_position_of_a_full_table_belongs_to_full_tables():
    full = _fingerprint(LEADS, is_incremental=False)
    assert full != _fingerprint(LEADS)
    both = _stream("opportunities", is_incremental=False), _stream("opportunity_roles")
    neither = _stream("opportunities"), _stream("opportunity_roles")
    other = _stream("opportunities"), _stream("opportunity_roles", is_incremental=False)
    assert len({_run(LEADS, *each).plan.resume.fingerprint for each in (both, neither, other)}) == 3


def test_a_position_of_an_earlier_version_is_resumed():
    assert _fingerprint(LEADS) == "663ce230b7bf7a8f"


@pytest.mark.parametrize(
    "changed", [{"max_concurrent_calls": 1}, {"activity_overlap_seconds": 601}]
)
def test_other_settings_do_not_have_a_sweep_begin_anew(changed):
    assert _fingerprint(LEADS) == _fingerprint(LEADS | changed)


@pytest.mark.parametrize("at", [None, {"next": 300, "open": [], "done": 300, "unmatched": 0}])
def test_a_state_of_another_instance_is_refused(at):
    state = _paused(LEADS, "opportunities", at)
    two = LEADS | {"endpoint": "https://two.example"}
    with pytest.raises(SettingsError, match=r"to the instance one\.example, but endpoint is two"):
        _run(two, _stream("opportunities", state))


def test_any_form_of_the_same_endpoint_is_the_same_instance():
    at = {"next": 300, "open": [], "done": 300, "unmatched": 0}
    state = _paused(LEADS, "opportunities", at)
    same = LEADS | {"endpoint": "https://ONE.example/rest/"}
    assert _run(same, _stream("opportunities", state)).plan.resume.at == at


def test_a_state_without_an_instance_is_taken_for_this_one():
    run = _run(LEADS, _stream("opportunities", {"replication_key_value": MIDDLE}))
    assert run.bookmarks["opportunities"].value == MIDDLE
    assert run.bookmarks["opportunities"].to_state("updatedAt")["instance"] == "one.example"


def test_a_state_that_cannot_be_read_is_named_by_its_stream():
    with pytest.raises(SettingsError, match=r"state of opportunity_roles .*last good state"):
        _run(
            LEADS,
            _stream("opportunities"),
            _stream("opportunity_roles", {"replication_key_value": "soon"}),
        )


def test_a_position_that_cannot_be_read_is_logged_and_ignored(caplog):
    state = {"replication_key_value": LATE, "found_by": "lead_ids 1-900", "resume": "{}"}
    run = _run(LEADS, _stream("opportunities", state))
    assert "Cannot resume the interrupted run of opportunities" in caplog.text
    assert run.plan.resume.since == LATE
    assert run.plan.resume.at is None


def test_a_position_that_can_be_read_or_none_logs_nothing(caplog):
    paused = _paused(LEADS, "opportunities", {"next": 0, "open": [], "done": 0, "unmatched": 0})
    for state in (paused, json.loads('{"resume": null}'), {}):
        _run(LEADS, _stream("opportunities", state))
    assert caplog.messages == []


def test_a_log_wanted_from_too_far_back_is_warned_of():
    (warning,) = _run(LOG | {"start_date": "2025-12-31"}, _stream("opportunities")).plan.warnings
    assert "from 2025-12-31T00:00:00Z, but" in warning
    assert _run(LOG | {"start_date": "2026-01-02"}, _stream("opportunities")).plan.warnings == []
    assert _run(LEADS, _stream("opportunities")).plan.warnings == []


@pytest.mark.parametrize(("reached", "warnings"), [("2025-12-31T00:00:00Z", 1), (LATE, 0)])
def test_an_interrupted_log_is_wanted_from_where_it_stood(reached, warnings):
    log = LOG | {"start_date": "2025-12-01"}
    at = {"token": "next", "reached": reached, "keys": {"always": "", "if_new": ""}}
    run = _run(log, _stream("opportunities", _paused(log, "opportunities", at)))
    assert run.plan.resume.at == at
    assert len(run.plan.warnings) == warnings


@pytest.mark.parametrize(("state", "told"), [({}, 1), (_until(LATE), 0)])
def test_a_list_of_leads_says_from_when_it_hands_over(tmp_path, state, told):
    path = tmp_path / "leads.txt"
    path.write_text("1")
    os.utime(path, (NOW.timestamp() - 3600,) * 2)
    leads = {"find_by": "lead_ids", "lead_ids_path": str(path)}
    notes = _run(leads, _stream("opportunities", state)).plan.notes
    assert sum("continues from 2026-03-31T23:00:00Z" in note for note in notes) == told
    assert not any(
        "continues from" in note for note in _run(LEADS, _stream("opportunities")).plan.notes
    )
