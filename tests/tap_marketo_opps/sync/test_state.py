"""What a stream's state says, and what a run makes of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.sync.plan import LogStart, log_start, plan_run
from tap_marketo_opps.sync.state import (
    Bookmark,
    Resume,
    covers,
    earlier,
    fingerprint,
    latest,
    lead_range,
    moment,
    moment_of,
)

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def _resume(**changed):
    members = {
        "fingerprint": "f",
        "began": LATE,
        "since": None,
        "seen": None,
        "cursor": None,
        "log_from": None,
        "at": {"next": 5},
    }
    return Resume(**{**members, **changed})


def _plan(bookmarks, **changed):
    settings = {
        "found_by": "filter x",
        "fingerprint": "f",
        "start_date": None,
        "began": LATE,
        "incremental": dict.fromkeys(bookmarks, True),
        "log": None,
    }
    return plan_run(bookmarks, **{**settings, **changed})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0900-01-01", "0900-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2026-01-31T12:00:00.999+02:00", "2026-01-31T10:00:00Z"),
    ],
)
def test_a_moment_has_a_year_of_four_digits(text, told):
    assert moment_of(text) == told
    assert moment_of(told) == told


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_outside_of_the_calendar_is_none(text):
    with pytest.raises(ValueError, match="outside of the calendar"):
        moment_of(text)
    with pytest.raises(ValueError, match="outside of the calendar"):
        Bookmark.from_state({"log_until": text})


def test_nothing_is_earlier_than_the_first_moment():
    assert earlier("0001-01-01T00:00:05Z", 4) == "0001-01-01T00:00:01Z"
    assert earlier(EARLY, 10**12) == earlier("0001-01-01T00:00:00Z", 1) == "0001-01-01T00:00:00Z"


def test_a_position_is_one_string_and_comes_back_as_it_was():
    resume = _resume(since=EARLY, at={"next": 3, "open": [[0, "token"]]})
    text = resume.encode()
    assert isinstance(text, str)
    assert Resume.decode(text) == resume


@pytest.mark.parametrize(
    "garbage", [None, "", "x", "[]", "7", "[" * 100_000, '{"v": 2}', '{"v": 1}', {"v": 1}]
)
def test_what_is_no_position_is_none(garbage):
    assert Resume.decode(garbage) is None


def test_the_state_always_speaks_of_the_position_if_only_to_say_there_is_none():
    assert Bookmark().to_state("updatedAt")["resume"] is None
    paused = Bookmark(value=EARLY).paused(_resume())
    assert isinstance(paused.to_state("updatedAt")["resume"], str)
    assert all(
        value is None or isinstance(value, str) for value in paused.to_state("updatedAt").values()
    )


@pytest.fixture(params=["UTC", "America/New_York"])
def _wherever_the_machine_is(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_wherever_the_machine_is")
def test_moments_of_any_form_are_read_as_utc():
    assert moment(datetime(2026, 1, 1, tzinfo=UTC)) == EARLY
    for text in (EARLY, "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01"):
        assert Bookmark.from_state({"replication_key_value": text}).value == EARLY
    with pytest.raises(ValueError, match="moment must be text"):
        Bookmark.from_state({"replication_key_value": 7})
    with pytest.raises(ValueError, match="found_by, sweep_leads and instance say must be text"):
        Bookmark.from_state({"found_by": 7})


def test_a_position_of_another_version_is_none():
    members = json.loads(_resume().encode())
    assert Resume.decode(json.dumps(members | {"v": 1})) == _resume()
    assert Resume.decode(json.dumps(members | {"v": 2})) is None


def test_a_bookmark_tells_up_to_when_the_log_was_read():
    bookmark = Bookmark(value=EARLY, log_until=EARLY).after_log(LATE)
    assert bookmark == Bookmark(value=EARLY, log_until=LATE)


@pytest.mark.parametrize(
    ("value", "since", "seen", "expected"),
    [
        (None, None, MIDDLE, MIDDLE),
        (None, None, None, None),
        (EARLY, EARLY, MIDDLE, MIDDLE),
        (EARLY, EARLY, "2026-04-01T00:00:00Z", LATE),  # never past the beginning
        (MIDDLE, MIDDLE, EARLY, MIDDLE),  # never back
        (MIDDLE, MIDDLE, None, MIDDLE),
        (MIDDLE, None, EARLY, EARLY),  # but for a full refresh
    ],
)
def test_a_finished_run_leaves_the_greatest_moment_seen_within_bounds(value, since, seen, expected):
    bookmark = Bookmark(value=value, resume=_resume())
    finished = bookmark.finished(_resume(since=since, seen=seen), "filter x")
    assert (finished.value, finished.found_by, finished.resume) == (expected, "filter x", None)


def test_a_run_goes_on_only_where_all_of_its_streams_were_left_at_one_place():
    here, there = _resume(), _resume(at={"next": 6})
    other_settings = _resume(fingerprint="g")
    assert _plan({"a": Bookmark(resume=here), "b": Bookmark(resume=here)}).resumes["b"] == here
    for second in (there, other_settings, None):
        plan = _plan({"a": Bookmark(resume=here), "b": Bookmark(resume=second)})
        assert {resume.at for resume in plan.resumes.values()} == {None}
        assert any("starting afresh" in note for note in plan.notes)


def test_a_run_that_starts_afresh_after_an_interrupted_refresh_is_a_refresh_too():
    bookmark = Bookmark(value=MIDDLE, found_by="filter x", resume=_resume(fingerprint="old"))
    assert _plan({"a": bookmark}).resumes["a"].since is None


@pytest.mark.parametrize(
    ("found_by", "start_date", "since"),
    [
        ("filter x", None, MIDDLE),
        ("filter x", LATE, LATE),
        ("filter x", EARLY, MIDDLE),
        (None, None, MIDDLE),  # written by hand
        ("filter y", None, None),
        ("filter y", EARLY, EARLY),
        ("activities", None, None),
    ],
)
def test_a_bookmark_counts_for_the_values_it_was_left_by(found_by, start_date, since):
    bookmark = Bookmark(value=MIDDLE, found_by=found_by)
    plan = _plan({"a": bookmark}, start_date=start_date)
    assert plan.resumes["a"].since == since
    strange = found_by not in {None, "filter x"}
    assert any("everything found is emitted" in note for note in plan.notes) == strange


@pytest.mark.parametrize("start_date", [None, EARLY])
def test_of_another_range_of_leads_a_bookmark_speaks_unless_something_is_too_old(start_date):
    bookmarks = {"a": Bookmark(value=LATE, found_by="lead_ids 1-5")}
    plan = _plan(bookmarks, found_by="lead_ids 1-9", start_date=start_date)
    assert plan.any_resume.since == (EARLY if start_date else LATE)
    assert any("everything found is emitted" in note for note in plan.notes) == bool(start_date)


def test_a_full_table_has_no_since():
    plan = _plan({"a": Bookmark(value=MIDDLE, found_by="filter x")}, incremental={"a": False})
    assert plan.resumes["a"].since is None


@pytest.mark.parametrize(
    ("bookmark", "start_date", "expected"),
    [
        (Bookmark(), EARLY, (EARLY, None)),
        (Bookmark(log_until=LATE), None, ("2026-02-28T23:50:00Z", LATE)),
        (Bookmark(log_until=LATE), EARLY, ("2026-02-28T23:50:00Z", LATE)),
        (Bookmark(log_until=MIDDLE), LATE, (LATE, MIDDLE)),
        (Bookmark(sweep_began=LATE), None, ("2026-02-28T23:50:00Z", LATE)),
        (Bookmark(log_until=LATE, sweep_began=EARLY), None, ("2026-02-28T23:50:00Z", LATE)),
        (Bookmark(value=LATE), None, ("2026-02-28T23:50:00Z", LATE)),
        (Bookmark(value=LATE, found_by="filter x"), EARLY, (EARLY, None)),
    ],
)
def test_the_log_is_read_from_the_cursor_less_the_overlap(bookmark, start_date, expected):
    start = log_start({"a": bookmark}, start_date, 600)
    assert (start.log_from, start.cursor) == expected


def test_a_stream_without_a_cursor_has_the_log_read_from_the_start_date():
    bookmarks = {"a": Bookmark(log_until=LATE), "b": Bookmark()}
    assert log_start(bookmarks, EARLY, 600).log_from == EARLY
    with pytest.raises(SettingsError, match="start_date is needed"):
        log_start(bookmarks, None, 600)


def test_of_two_cursors_the_earlier_one_counts():
    bookmarks = {"a": Bookmark(log_until=LATE), "b": Bookmark(log_until=MIDDLE)}
    assert log_start(bookmarks, None, 0).cursor == MIDDLE


def test_a_run_that_goes_on_says_so():
    notes = _plan({"a": Bookmark(resume=_resume())}).notes
    assert notes == ["Going on where the last run stopped."]


@pytest.mark.parametrize(
    ("cursor", "log_until", "notes"),
    [
        (MIDDLE, None, [f"Going on from the sweep of leads 1, leads 2, which began at {MIDDLE}."]),
        (None, None, []),
        (MIDDLE, LATE, []),
    ],
)
def test_of_sweeps_that_a_walk_of_the_log_goes_on_from_all_are_named(cursor, log_until, notes):
    bookmarks = {
        leads: Bookmark(value=EARLY, found_by=leads, sweep_leads=leads, log_until=log_until)
        for leads in ("leads 2", "leads 1")
    }
    log = LogStart(EARLY, cursor)
    assert _plan(bookmarks, found_by="activities", log=log).notes == notes


def test_without_a_walk_of_the_log_no_sweep_is_named():
    assert _plan({"a": Bookmark(found_by="filter x", sweep_leads="leads 1")}).notes == []


def test_a_second_sweep_of_other_leads_does_not_move_the_hand_over():
    first = Bookmark().after_sweep(EARLY, "lead_ids 1-500")
    other = first.after_sweep(LATE, "lead_ids 501-900")
    assert (other.sweep_began, other.sweep_leads) == (EARLY, "lead_ids 1-500, lead_ids 501-900")
    wider = first.after_sweep(LATE, "lead_ids 1-900")
    assert (wider.sweep_began, wider.sweep_leads) == (LATE, "lead_ids 1-900")


@pytest.mark.parametrize(
    ("leads", "others", "expected"),
    [
        ("lead_ids 1-9", "lead_ids 1-9", True),
        ("lead_ids 1-9", "lead_ids 2-8", True),
        ("lead_ids 2-9", "lead_ids 1-8", False),
        ("lead_ids abc", "lead_ids abc", True),
        ("lead_ids abc", "lead_ids 1-8", False),
        ("lead_ids 1-9", "lead_ids 1-3, lead_ids 20-30", False),
    ],
)
def test_which_leads_cover_which(leads, others, expected):
    assert covers(leads, others) is expected


def test_a_range_of_leads_is_known_by_its_name():
    assert lead_range("lead_ids 3-5") == range(3, 6)
    assert lead_range("lead_ids 3f-5") == lead_range(None) == range(0)


def test_fingerprints_differ_by_any_setting_and_by_nothing_else():
    one = fingerprint({"a": 1, "b": ("x", "y")})
    assert one == fingerprint({"b": ["x", "y"], "a": 1})
    assert one != fingerprint({"a": 2, "b": ["x", "y"]})
    assert fingerprint({"a": datetime(2026, 1, 1, tzinfo=UTC)}) != fingerprint({"a": None})


def test_latest_passes_over_what_is_not_given():
    assert latest(None, EARLY, LATE, None) == LATE
    assert latest(None, None) is None


def test_positions_are_short():
    assert len(json.dumps(_resume().encode())) < 300
    assert " " not in _resume().encode()


@pytest.mark.parametrize(("before", "now"), [(EARLY, LATE), (LATE, EARLY)])
def test_of_two_sweeps_of_different_leads_the_log_is_read_from_the_earlier(before, now):
    handed_over = Bookmark(sweep_began=before, sweep_leads="lead_ids 1-5")
    both = handed_over.after_sweep(now, "lead_ids 6-9")
    assert both.sweep_began == EARLY
    assert both.sweep_leads == "lead_ids 1-5, lead_ids 6-9"


@pytest.mark.parametrize(
    "half", [Bookmark(sweep_began=EARLY), Bookmark(sweep_leads="lead_ids 1-5")]
)
def test_half_a_hand_over_is_none(half):
    after = half.after_sweep(LATE, "lead_ids 6-9")
    assert (after.sweep_began, after.sweep_leads) == (LATE, "lead_ids 6-9")


def test_a_range_covers_another_up_to_both_its_ends():
    assert covers("lead_ids 1-9", "lead_ids 1-8")
    assert covers("lead_ids 1-9", "lead_ids 2-9")
    assert not covers("lead_ids 1-9", "lead_ids 2-10")
    assert not covers("lead_ids 1-9", "lead_ids 0-9")


def test_a_bookmark_comes_back_out_of_its_state_as_it_was():
    resume = Resume("f", LATE, EARLY, LATE, EARLY, EARLY, {"next": 3, "open": [[0, "token"]]})
    bookmark = Bookmark(LATE, "activities", LATE, EARLY, "lead_ids 1-5", "one.example", resume)
    state = json.loads(json.dumps(bookmark.to_state("updatedAt")))
    assert Bookmark.from_state(state) == bookmark
    assert state["replication_key"] == "updatedAt"
    assert state["replication_key_value"] == LATE
    assert {
        "found_by",
        "log_until",
        "sweep_began",
        "sweep_leads",
        "instance",
        "resume",
    } < state.keys()


def test_a_run_with_the_log_tells_what_changed_since_the_log_is_read_from():
    begun = _plan({"a": Bookmark()}, found_by="activities", log=LogStart(EARLY, LATE)).any_resume
    assert (begun.since, begun.log_from, begun.cursor) == (EARLY, EARLY, LATE)
    assert (begun.fingerprint, begun.began) == ("f", LATE)


def test_a_first_run_with_the_log_tells_everything():
    begun = _plan({"a": Bookmark()}, found_by="activities", log=LogStart(EARLY, None)).any_resume
    assert (begun.since, begun.log_from, begun.cursor) == (None, EARLY, None)


@pytest.mark.parametrize(
    ("before", "now", "since"),
    [
        ("lead_ids 1-5", "lead_ids 1-9", EARLY),
        ("filter a", "filter a", EARLY),
        (None, "filter a", EARLY),
        ("filter a", "filter b", None),
        ("filter a", "lead_ids 1-9", None),
        ("lead_ids 1-9", "filter a", None),
    ],
)
def test_a_bookmark_of_other_keys_holds_nothing_back(before, now, since):
    bookmark = Bookmark(value=EARLY, found_by=before)
    assert _plan({"a": bookmark}, found_by=now).any_resume.since == since


def test_a_range_of_leads_beyond_all_measure_is_none():
    digits = "9" * 5000
    assert not lead_range(f"lead_ids 1-{digits}")
    assert not covers(f"lead_ids 1-{digits}", "lead_ids 1-2")
