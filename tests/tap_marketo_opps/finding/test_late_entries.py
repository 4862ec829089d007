"""Tests of the measurement of how late log entries become visible."""

from __future__ import annotations

import json

import pytest

from tap_marketo_opps.finding.late_entries import LateEntries, LogOverlap, LogTail
from tests.tap_marketo_opps.helpers import make_resume_point

BEFORE, BEGAN, NEXT = "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"
TYPES = (34, 36)


def _ago(seconds, moment=BEGAN):
    hour = int(moment[11:13]) * 3600 - seconds
    return f"2026-03-01T{hour // 3600:02}:{hour % 3600 // 60:02}:{hour % 60:02}Z"


def _walk(began, *ages, cursor=None, tails=(), seconds=600, types=TYPES, at=None, log_from=None):
    """Return the measurement of a run that reads entries of these ages before noon."""
    resume = make_resume_point(began=began, cursor=cursor, log_from=log_from or BEFORE, at=at)
    late = LateEntries(types, LogOverlap(seconds, tails), resume)
    late.take([_ago(age) for age in ages])
    return late


def _second(seen, ages, **more):
    tail = _walk(BEGAN, *seen, **more).last_tail()
    return _walk(NEXT, *ages, cursor=BEGAN, tails=[tail] if tail else (), **more)


@pytest.mark.parametrize(
    ("seen", "ages", "seconds"),
    [
        ([], [], 0),
        ([5, 100, 599], [5, 100, 599], 0),
        # What is dated after the walk before is no matter, however late it came.
        ([5], [5, -30, -3000], 0),
        # Within a step nothing can be told.
        ([], [9], 0),
        ([], [10], 10),
        ([100], [100, 345], 340),
        ([], [600], 600),
        # Of one age there are more.
        ([100], [100, 101], 100),
        ([100, 200], [100, 101, 202], 100),
        # Too old to be read again for certain, and gone with its lead.
        ([], [601], 0),
        ([100], [], 0),
    ],
)
def test_what_is_new_in_what_is_read_again_came_late(seen, ages, seconds):
    assert _second(seen, ages).seconds == seconds


@pytest.mark.parametrize(
    ("age", "is_alarming"), [(0, False), (299, False), (300, False), (310, True), (599, True)]
)
def test_past_half_of_the_overlap_it_is_alarming(age, is_alarming):
    assert _second([], [age]).is_alarming is is_alarming


def test_a_first_walk_measures_nothing():
    for overlap in (0, 600):
        late = _walk(BEGAN, 5, seconds=overlap)
        assert late.seconds is None
        assert not late.is_alarming


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "{}",
        "[]",
        "null",
        '"text"',
        "{" * 100_000,
        '{"until":1,"seconds":"x","types":[],"counts":{}}',
        '{"until":"2026-03-01T12:00:00Z","seconds":600,"types":[34,36],"counts":[1]}',
        '{"until":"2026-03-01T12:00:00Z","seconds":600,"types":[34,36],"counts":{"a":1}}',
        '{"until":"2026-03-01T12:00:00Z","seconds":1e999,"types":[34,36],"counts":{}}',
        # Of another walk, or of other types.
        LogTail(BEFORE, 600, TYPES).encode(),
        LogTail(BEGAN, 600, (34, 35, 36)).encode(),
    ],
)
def test_what_cannot_be_compared_with_measures_nothing(tail):
    assert _walk(NEXT, 100, cursor=BEGAN, tails=[tail]).seconds is None


def test_of_several_bookmarks_that_of_the_cursor_counts():
    tails = [LogTail(BEFORE, 600, TYPES).encode(), LogTail(BEGAN, 600, TYPES, {10: 1}).encode()]
    assert _walk(NEXT, 100, cursor=BEGAN, tails=tails).seconds == 0


def test_a_tail_is_a_short_text():
    tail = _walk(BEGAN, *range(600), *range(600)).last_tail()
    assert len(tail) < 700
    assert sum(LogTail.decode(tail).counts.values()) == 1200


def test_an_interrupted_walk_goes_on_counting():
    first = _walk(BEGAN, 100, 200).last_tail()
    half = _walk(NEXT, 100, cursor=BEGAN, tails=[first])
    at = json.loads(json.dumps({"token": "t", **half.position()}))
    rest = _walk(NEXT, 200, 400, cursor=BEGAN, tails=[first], at=at)
    assert rest.seconds == 400
    # Nothing that was counted before the interruption seems to come late in the run after.
    last = _walk(BEGAN, 100)
    rest = _walk(BEGAN, 200, at={"token": "t", **last.position()})
    assert _walk(NEXT, 100, 200, cursor=BEGAN, tails=[rest.last_tail()]).seconds == 0


def test_a_position_does_not_change_once_it_is_given():
    late = _walk(BEGAN, 100)
    position = late.position()
    late.take([_ago(100)])
    assert position["tail"]["last"] == {"10": 1}


def test_a_position_equals_itself_after_it_was_saved():
    position = _walk(NEXT, 100, cursor=BEGAN, tails=[_walk(BEGAN, 100).last_tail()]).position()
    assert json.loads(json.dumps(position)) == position != {}


@pytest.mark.parametrize(
    "at",
    [{"token": "t"}, {"tail": None}, {"tail": {"last": {}}}, {"tail": {"last": 1, "again": 2}}],
)
def test_after_an_attempt_that_did_not_count_nothing_is_measured(at):
    late = _walk(BEGAN, 100, cursor=BEFORE, tails=[LogTail(BEFORE, 600, TYPES).encode()], at=at)
    assert (late.seconds, late.last_tail(), late.position()) == (None, None, {})


def test_a_walk_that_reads_entries_twice_measures_nothing():
    late = _second([], [400])
    late.void()
    assert (late.seconds, late.last_tail(), late.position()) == (None, None, {})


def test_a_stretch_that_was_not_read_whole_is_not_compared_with():
    assert _walk(BEGAN, log_from=_ago(599)).last_tail() is None
    assert _walk(BEGAN, log_from=_ago(600)).last_tail()


def test_without_an_overlap_there_is_nothing_to_measure():
    assert _walk(BEGAN, 0, seconds=0).last_tail() is None


def test_late_entries_read_before_an_interruption_are_measured():
    first = _walk(BEGAN, 100).last_tail()
    half = _walk(NEXT, 100, 400, cursor=BEGAN, tails=[first])
    at = json.loads(json.dumps(half.position()))
    assert _walk(NEXT, cursor=BEGAN, tails=[first], at=at).seconds == 400


@pytest.mark.parametrize(("seconds", "step"), [(1, 1), (60, 1), (61, 2), (600, 10)])
def test_ages_are_divided_into_60_groups(seconds, step):
    assert LogTail(BEGAN, seconds, TYPES).step == step
