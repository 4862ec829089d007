"""Tests of reading and updating bookmarks."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tap_marketo_opps.finding.resume_point import ResumePoint
from tap_marketo_opps.sync.state import Bookmark, fingerprint, with_bookmarks
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"log_until": "0001-01-01T00:00:00+05:00"}, "outside the range of dates"),
        ({"replication_key_value": 7}, "date-time must be a string"),
        ({"found_by": 7}, "found_by, sweep_leads and instance must be strings"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(state, problem):
    with pytest.raises(ValueError, match=problem):
        Bookmark.from_state(state)


def test_a_moment_of_any_form_is_read_from_a_state():
    state = {"replication_key_value": "2026-01-01T01:00:00+01:00"}
    assert Bookmark.from_state(state).value == EARLY


@pytest.mark.parametrize("name", ["updatedAt", "updated_at", "UpdatedAt"])
def test_a_bookmark_of_a_tap_of_singer_ios_is_read(name):
    assert Bookmark.from_state({name: EARLY}, "updatedAt") == Bookmark(value=EARLY)
    assert Bookmark.from_state({name: EARLY}, "activityDate") == Bookmark()


@pytest.mark.parametrize("own", ["replication_key_value", "found_by", "log_until", "resume"])
def test_what_this_tap_has_written_goes_before_what_another_has(own):
    state = {"updatedAt": EARLY, own: None}
    assert Bookmark.from_state(state, "updatedAt").value is None


@pytest.mark.parametrize(
    "state",
    [
        {"bookmarks": {"deals": EARLY}},
        {"deals": EARLY},
        {"bookmarks": {"deals": EARLY, "roles": None}},
    ],
)
def test_a_bare_value_is_a_replication_key_value(state):
    expected = {"bookmarks": {"deals": {"replication_key_value": EARLY}}}
    assert with_bookmarks(state, ("deals", "roles")) == expected


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"deals": EARLY, "other": EARLY},
        {"bookmarks": 7},
        {"bookmarks": {"deals": {"found_by": "x"}}, "currently_syncing": "deals"},
    ],
)
def test_a_state_of_any_other_form_is_left_as_it_is(state):
    assert with_bookmarks(state, ("deals", "roles")) == state


def test_the_state_always_holds_resume_if_only_as_null():
    assert Bookmark().to_state("updatedAt")["resume"] is None
    paused = Bookmark(value=EARLY).paused(make_resume_point())
    assert isinstance(paused.to_state("updatedAt")["resume"], str)
    assert all(
        value is None or isinstance(value, str) for value in paused.to_state("updatedAt").values()
    )


def test_a_bookmark_holds_up_to_when_the_log_was_read():
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
        ("2026-03-01T00:04:00Z", EARLY, EARLY, LATE),  # nor was there ever more
    ],
)
def test_a_finished_run_leaves_the_greatest_moment_in_bounds(value, since, seen, expected):
    bookmark = Bookmark(value=value, resume=make_resume_point())
    finished = bookmark.finished(make_resume_point(since=since, seen=seen), "filter x")
    assert (finished.value, finished.found_by, finished.resume) == (expected, "filter x", None)


def test_a_second_sweep_of_other_leads_does_not_move_the_hand_over():
    first = Bookmark().after_sweep(EARLY, "lead_ids 1-500", is_complete=True)
    other = first.after_sweep(LATE, "lead_ids 501-900", is_complete=True)
    assert (other.sweep_began, other.sweep_leads) == (EARLY, "lead_ids 1-500, lead_ids 501-900")
    wider = first.after_sweep(LATE, "lead_ids 1-900", is_complete=True)
    assert (wider.sweep_began, wider.sweep_leads) == (LATE, "lead_ids 1-900")


def test_an_incremental_sweep_does_not_move_the_hand_over():
    first = Bookmark().after_sweep(EARLY, "lead_ids 1-500", is_complete=True)
    wider = first.after_sweep(LATE, "lead_ids 1-900", is_complete=False)
    assert (wider.sweep_began, wider.sweep_leads) == (EARLY, "lead_ids 1-900")


def test_fingerprints_differ_by_any_setting_and_nothing_else():
    one = fingerprint({"a": 1, "b": ("x", "y")})
    assert one == fingerprint({"b": ["x", "y"], "a": 1})
    assert one != fingerprint({"a": 2, "b": ["x", "y"]})
    assert fingerprint({"a": datetime(2026, 1, 1, tzinfo=UTC)}) != fingerprint({"a": None})


@pytest.mark.parametrize(("before", "now"), [(EARLY, LATE), (LATE, EARLY)])
def test_after_two_sweeps_the_log_is_read_from_the_earlier(before, now):
    handed_over = Bookmark(sweep_began=before, sweep_leads="lead_ids 1-5")
    both = handed_over.after_sweep(now, "lead_ids 6-9", is_complete=False)
    assert both.sweep_began == EARLY
    assert both.sweep_leads == "lead_ids 1-5, lead_ids 6-9"


@pytest.mark.parametrize(
    "half", [Bookmark(sweep_began=EARLY), Bookmark(sweep_leads="lead_ids 1-5")]
)
def test_half_a_hand_over_is_none(half):
    after = half.after_sweep(LATE, "lead_ids 6-9", is_complete=False)
    assert (after.sweep_began, after.sweep_leads) == (LATE, "lead_ids 6-9")


def test_a_bookmark_comes_back_out_of_its_state_as_it_was():
    resume = ResumePoint("f", LATE, EARLY, LATE, EARLY, EARLY, {"next": 3, "open": [[0, "token"]]})
    bookmark = Bookmark(
        LATE, "activities", LATE, EARLY, "lead_ids 1-5", "one.example", resume, log_tail="{}"
    )
    state = json.loads(json.dumps(bookmark.to_state("updatedAt")))
    assert Bookmark.from_state(state) == bookmark
    assert state["replication_key"] == "updatedAt"
    assert state["replication_key_value"] == LATE
    assert {
        "found_by",
        "log_until",
        "log_tail",
        "sweep_began",
        "sweep_leads",
        "instance",
        "resume",
    } < state.keys()


@pytest.mark.parametrize("odd", [None, 5, [], {"a": 1}])
def test_a_tail_of_the_log_that_is_not_text_is_none(odd):
    assert Bookmark.from_state({"log_tail": odd, "log_until": LATE}) == Bookmark(log_until=LATE)


def test_a_bookmark_after_the_log_holds_its_tail_beside_its_end():
    after = Bookmark(log_until=EARLY, log_tail="before").after_log(LATE, "now")
    assert (after.log_until, after.log_tail) == (LATE, "now")
    assert after.after_log(LATE, None).log_tail is None
