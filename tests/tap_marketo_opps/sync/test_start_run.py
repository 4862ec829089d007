"""Which streams share a run, how it finds its records, and what of the state it goes on from."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from marketo_opps import ObjectDescription, Page, SettingsError
from tap_marketo_opps.finding.finders import ActivityFinder, FilterFinder, LeadFinder
from tap_marketo_opps.sync.start_run import Planner, found_together

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
FILTER = {"filter_values": ["a", "b"]}
LEADS = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 900}
LOG = {"find_by": "activities", "start_date": EARLY}
SEARCHABLE = ObjectDescription("", "marketoGUID", (), (("region",), ("a", "b")), ())


def _stream(name, state=None, **more):
    plain = {
        "is_dry_run": False,
        "is_incremental": True,
        "selected_fields": ("marketoGUID", f"of {name}"),
        "logger": logging.getLogger("test"),
    }
    stream = SimpleNamespace(name=name, stream_state=state or {}, **(plain | more))
    return {name: stream}


def _planner(**settings):
    config = {
        "endpoint": "https://one.example",
        "filter_type": "dedupeFields",
        "activity_overlap_seconds": 600,
        "batch_size": 300,
        "max_concurrent_calls": 4,
    }
    return Planner(
        config=config | settings,
        client=SimpleNamespace(server_now=lambda: NOW),
        writer=object(),
        state={"bookmarks": {}},
        opportunities=SEARCHABLE,
        activity_types=lambda: {34: "Add to Opportunity"},
    )


def _run(settings, *streams):
    return _planner(**settings).run({name: each for one in streams for name, each in one.items()})


def _page(*log):
    return Page(log, "next", more=True, request_id=None)


def _paused(settings, name, at):
    """What a run of these settings leaves when it is interrupted."""
    run = _run(settings, _stream(name))
    return run.bookmarks[name].paused(replace(run.plan.any_resume, at=at)).to_state("updatedAt")


ALL = ("opportunity_roles", "opportunities", "opportunity_activities")


@pytest.mark.parametrize(
    ("name", "way", "together"),
    [
        ("opportunities", "activities", ALL),
        ("opportunity_activities", "activities", ALL),
        ("opportunities", "filter", ALL[:2]),
        ("opportunity_roles", "lead_ids", ALL[:2]),
        ("opportunity_activities", "lead_ids", ALL[2:]),
    ],
)
def test_streams_that_one_finder_serves_share_its_calls(name, way, together):
    selected = {one: each for stream in ALL for one, each in _stream(stream).items()}
    assert tuple(found_together(selected[name], selected, way)) == together


def test_only_what_is_selected_takes_part_and_a_dry_run_is_alone():
    stream = _stream("opportunities")["opportunities"]
    assert found_together(stream, _stream("opportunities"), "activities").keys() == {stream.name}
    stream.is_dry_run = True
    both = {stream.name: stream} | _stream("opportunity_roles")
    assert found_together(stream, both, "filter") == {stream.name: stream}


def test_a_run_is_given_what_it_needs():
    planner = _planner(**FILTER)
    streams = _stream("opportunities", {"replication_key_value": LATE})
    run = planner.run(streams)
    assert (run.client, run.writer, run.state) == (planner.client, planner.writer, planner.state)
    assert run.streams is streams
    assert run.bookmarks["opportunities"].value == LATE
    assert run.max_concurrent_calls == 4
    assert run.plan.any_resume.began == "2026-04-01T00:00:00Z"
    assert run.stages.source.next_reading().keys == {"a": False, "b": False}


@pytest.mark.parametrize(
    ("settings", "name", "finder"),
    [
        (FILTER, "opportunities", FilterFinder),
        (LEADS, "opportunity_roles", LeadFinder),
        (LOG, "opportunities", ActivityFinder),
        (LEADS | {"start_date": EARLY}, "opportunity_activities", ActivityFinder),
        (FILTER | {"start_date": EARLY}, "opportunity_activities", ActivityFinder),
    ],
)
def test_the_log_is_read_for_its_own_stream_whatever_else_is_found_by(settings, name, finder):
    assert type(_run(settings, _stream(name)).finder) is finder


def test_a_filter_type_that_is_not_searchable_is_refused_before_any_call():
    with pytest.raises(SettingsError, match=r"'?b'?.*region"):
        _run(FILTER | {"filter_type": "b"}, _stream("opportunities"))
    finder = _run(FILTER | {"filter_type": "region"}, _stream("opportunities")).finder
    assert finder.filter_type == "region"


def test_where_describe_was_not_asked_marketo_says_what_is_searchable():
    planner = replace(_planner(**FILTER, filter_type="b"), opportunities=None)
    assert planner.run(_stream("opportunities")).finder.filter_type == "b"


@pytest.mark.parametrize(
    ("found_by", "settings", "swept_before"),
    [
        (("lead_ids 1-5", "lead_ids 1-5"), {}, [range(1, 6)]),
        (("lead_ids 1-5", "lead_ids 1-7"), {}, [range(1, 6), range(1, 8)]),
        (("lead_ids 1-5", "lead_ids 1-900"), {}, [range(1, 6)]),
        (("lead_ids 1-5", None), {}, [range(1, 6)]),
        (("lead_ids 1-5", "lead_ids 1-5"), {"start_date": EARLY}, []),
    ],
)
def test_a_sweep_knows_the_ranges_that_its_streams_were_found_by(found_by, settings, swept_before):
    states = [{"found_by": each} for each in found_by]
    names = ("opportunities", "opportunity_roles")
    run = _run(LEADS | settings, *map(_stream, names, states))
    assert sorted(run.finder._swept_before, key=len) == swept_before


def _until(moment):
    return {"found_by": "activities", "log_until": moment}


def test_the_log_is_read_from_the_earliest_cursor_less_the_overlap():
    run = _run(
        LOG,
        _stream("opportunities", _until(LATE)),
        _stream("opportunity_roles", _until(MIDDLE)),
    )
    assert run.plan.any_resume.cursor == MIDDLE
    assert run.plan.any_resume.log_from == run.stages.source.reached == "2026-01-31T23:50:00Z"


def test_a_full_table_has_the_log_read_from_the_start_for_all_that_share_it():
    run = _run(
        LOG,
        _stream("opportunities", _until(LATE)),
        _stream("opportunity_roles", _until(LATE), is_incremental=False),
    )
    resumes = run.plan.resumes.values()
    assert {(each.cursor, each.log_from, each.since) for each in resumes} == {(None, EARLY, None)}


def test_the_log_is_walked_up_to_now_and_tells_what_is_new_from_the_cursor_on():
    run = _run(LOG, _stream("opportunities", _until(MIDDLE)))
    walk = run.stages.source
    moments = ["2026-01-31T23:59:59Z", MIDDLE, "2026-04-01T00:00:00Z", "2026-04-01T00:00:01Z"]
    log = [{"leadId": n, "activityDate": moment} for n, moment in enumerate(moments)]
    _, named = walk.read(walk.next_reading(), _page(*log))
    assert named.keys == (("0", False), ("1", True), ("2", True))


def test_without_the_log_start_date_and_bookmark_say_what_is_new():
    state = {"found_by": "lead_ids 1-900", "replication_key_value": MIDDLE}
    known = _stream("opportunities", state)
    for start_date, since in ((EARLY, MIDDLE), (LATE, LATE), (None, MIDDLE)):
        resume = _run(LEADS | {"start_date": start_date}, known).plan.any_resume
        assert (resume.since, resume.cursor, resume.log_from) == (since, None, None)
    again = _run(LEADS, _stream("opportunities", state, is_incremental=False))
    assert again.plan.any_resume.since is None


def test_what_is_new_is_told_stream_by_stream():
    old = {"found_by": "lead_ids 1-900", "replication_key_value": EARLY}
    new = old | {"replication_key_value": LATE}
    run = _run(LEADS, _stream("opportunity_roles", old), _stream("opportunities", new))
    (opportunities,) = run.stages.lookups
    assert not opportunities._is_new({"updatedAt": MIDDLE})
    assert opportunities._is_new({"updatedAt": LATE})


def test_a_run_asks_for_the_selected_fields_of_each_stream():
    run = _run(LEADS, _stream("opportunity_roles"), _stream("opportunities"))
    (opportunities,) = run.stages.lookups
    assert "of opportunities" in opportunities._query.fields
    assert "of opportunity_roles" in run.stages.source._query.fields
    assert opportunities._query.batch_size == run.stages.source._query.batch_size == 300
    assert opportunities._query.client is run.client is run.stages.source._query.client


def test_an_interrupted_sweep_goes_on_where_it_stood():
    at = {"next": 600, "open": [], "done": 600, "unmatched": 7}
    run = _run(LEADS, _stream("opportunities", _paused(LEADS, "opportunities", at)))
    assert run.plan.any_resume.at == at
    assert run.stages.source.next_reading().start == 600


def test_an_interrupted_walk_goes_on_where_it_stood():
    walk = _run(LOG, _stream("opportunities")).stages.source
    step, _ = walk.read(walk.next_reading(), _page({"leadId": 1, "activityDate": LATE}))
    run = _run(LOG, _stream("opportunities", _paused(LOG, "opportunities", step.told())))
    assert run.stages.source.next_reading().token == "next"
    assert run.stages.source.reached == LATE


def _fingerprint(settings, **more):
    return _run(settings, _stream("opportunities", **more)).plan.any_resume.fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 299},
        {"start_date": LATE},
        {"activity_overlap_seconds": 601},
    ],
)
def test_a_position_is_of_the_settings_that_say_what_is_read(changed):
    assert _fingerprint(LOG) != _fingerprint(LOG | changed)


def test_a_position_is_of_what_is_looked_up_and_of_the_selected_fields():
    assert _fingerprint(LEADS) != _fingerprint(LEADS | {"lead_id_to": 901})
    assert _fingerprint(LEADS) != _fingerprint(LEADS, selected_fields=("marketoGUID",))
    both = _run(LEADS, _stream("opportunities"), _stream("opportunity_roles"))
    assert both.plan.any_resume.fingerprint != _fingerprint(LEADS)


def test_a_position_of_an_earlier_version_is_gone_on_from():
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
    with pytest.raises(SettingsError, match=r"of the instance one\.example, and endpoint is two"):
        _run(two, _stream("opportunities", state))


def test_any_form_of_the_same_endpoint_is_the_same_instance():
    at = {"next": 300, "open": [], "done": 300, "unmatched": 0}
    state = _paused(LEADS, "opportunities", at)
    same = LEADS | {"endpoint": "https://ONE.example/rest/"}
    assert _run(same, _stream("opportunities", state)).plan.any_resume.at == at


def test_a_state_that_does_not_name_its_instance_is_taken_for_this_ones():
    run = _run(LEADS, _stream("opportunities", {"replication_key_value": MIDDLE}))
    assert run.bookmarks["opportunities"].value == MIDDLE
    assert run.bookmarks["opportunities"].to_state("updatedAt")["instance"] == "one.example"


def test_a_state_that_cannot_be_read_is_told_with_its_stream():
    with pytest.raises(SettingsError, match=r"state of opportunity_roles cannot .* start without"):
        _run(
            LEADS,
            _stream("opportunities"),
            _stream("opportunity_roles", {"replication_key_value": "soon"}),
        )


def test_a_position_that_cannot_be_read_is_told_and_passed_over(caplog):
    state = {"replication_key_value": LATE, "found_by": "lead_ids 1-900", "resume": "{}"}
    run = _run(LEADS, _stream("opportunities", state))
    assert "last run of opportunities stopped cannot be read" in caplog.text
    assert run.plan.any_resume.since == LATE
    assert run.plan.any_resume.at is None


def test_where_a_position_can_be_read_or_there_is_none_nothing_is_told(caplog):
    paused = _paused(LEADS, "opportunities", {"next": 0, "open": [], "done": 0, "unmatched": 0})
    for state in (paused, json.loads('{"resume": null}'), {}):
        _run(LEADS, _stream("opportunities", state))
    assert caplog.messages == []
