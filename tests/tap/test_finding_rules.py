"""Moments and positions at their very edges, where a record could be passed over."""

from __future__ import annotations

import json

import pytest

from tap_marketo_opps.bookmarks import Bookmark, Resume, covers
from tap_marketo_opps.finders import LeadFinder, Wanted, _leads_touched, is_new_since
from tap_marketo_opps.keys import LeadRange
from tap_marketo_opps.plans import LogStart, plan_run

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"


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


def test_an_activity_of_the_very_moment_of_the_cursor_is_new():
    moments = {1: "2026-02-28T23:59:59Z", 2: LATE, 3: "2026-03-01T00:00:01Z"}
    log = [{"leadId": lead, "activityDate": moment} for lead, moment in moments.items()]
    assert list(_leads_touched(log, LATE)) == [("1", False), ("2", True), ("3", True)]
    assert all(new for _, new in _leads_touched(log, None))


@pytest.mark.parametrize(
    ("updated_at", "new"),
    [("2026-02-28T23:59:59Z", False), (LATE, True), (None, True), ("odd", True)],
)
def test_a_record_of_the_very_moment_of_the_bookmark_is_new(updated_at, new):
    record = {} if updated_at is None else {"updatedAt": updated_at}
    assert is_new_since(LATE)(record) is new
    assert is_new_since(None)(record)


def test_a_sweep_of_leads_goes_on_where_it_was_interrupted():
    at = {"next": 600, "open": [[300, "token"]], "done": 300, "unmatched": 7}
    wanted = Wanted(fields={}, since={}, began=LATE, at=at)
    source = LeadFinder(LeadRange(1, 1000)).stages(None, 300, wanted).source
    assert (source.noun, source.keys_done, source.unmatched) == ("leads", 300, 7)
    half_read = source.next_reading()
    assert (half_read.start, half_read.token, next(iter(half_read.keys))) == (300, "token", "301")
    assert half_read.entered_late
    untouched = source.next_reading()
    assert (untouched.start, untouched.token, next(iter(untouched.keys))) == (600, None, "601")


@pytest.mark.parametrize(
    ("swept_before", "new"),
    [
        ([], []),
        (["lead_ids 1-9"], []),
        (["lead_ids 1-5"], ["6", 8, None]),
        # Of two streams only one knows the later ones.
        (["lead_ids 1-5", "lead_ids 1-9"], ["6", 8, None]),
        (["lead_ids 1-7", "lead_ids 4-9"], [2, 8, None]),
        (["lead_ids 1-3", "lead_ids 7-9"], [2, 5, "6", 8, None]),
        (["lead_ids 1-5", "lead_ids 0123abcd"], ["6", 8, None]),
    ],
)
def test_only_leads_beyond_the_ranges_swept_before_are_new(swept_before, new):
    finder = LeadFinder(LeadRange(1, 9), swept_before)
    source = finder.stages(None, 300, Wanted(fields={}, since={}, began=LATE)).source
    leads = [2, 5, "6", 8, None]
    assert [lead for lead in leads if source._always({"leadId": lead})] == new


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


def plan(bookmark, *, found_by, log=None):
    return plan_run(
        {"opportunities": bookmark},
        found_by=found_by,
        fingerprint="now",
        start_date=None,
        began=LATE,
        incremental={"opportunities": True},
        log=log,
    )


def test_a_run_with_the_log_tells_what_changed_since_the_log_is_read_from():
    begun = plan(Bookmark(), found_by="activities", log=LogStart(EARLY, LATE)).any_resume
    assert (begun.since, begun.log_from, begun.cursor) == (EARLY, EARLY, LATE)
    assert (begun.fingerprint, begun.began) == ("now", LATE)


def test_a_first_run_with_the_log_tells_everything():
    begun = plan(Bookmark(), found_by="activities", log=LogStart(EARLY, None)).any_resume
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
    assert plan(bookmark, found_by=now).any_resume.since == since
