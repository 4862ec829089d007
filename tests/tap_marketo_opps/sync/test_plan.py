"""Tests of where a run begins, by bookmarks and settings."""

from __future__ import annotations

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.sync.plan import log_start, plan_run
from tap_marketo_opps.sync.state import Bookmark
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
DAY_BEFORE = "2026-01-31T00:00:00Z"


def _plan(bookmarks, *, found_by="filter x", start_date=None, incremental=None, **new_run):
    return plan_run(
        bookmarks,
        found_by=found_by,
        new_run=make_resume_point(at=None, **new_run),
        start_date=start_date,
        incremental=incremental or dict.fromkeys(bookmarks, True),
    )


def test_a_run_resumes_only_where_all_streams_stopped():
    here, there = make_resume_point(), make_resume_point(at={"next": 6})
    other_settings = make_resume_point(fingerprint="g")
    assert _plan({"a": Bookmark(resume=here), "b": Bookmark(resume=here)}).resumes["b"] == here
    for second in (there, other_settings, None):
        plan = _plan({"a": Bookmark(resume=here), "b": Bookmark(resume=second)})
        assert {resume.at for resume in plan.resumes.values()} == {None}
        assert any("starting over" in note for note in plan.notes)


def test_a_run_after_an_interrupted_refresh_is_a_refresh_too():
    bookmark = Bookmark(
        value=MIDDLE, found_by="filter x", resume=make_resume_point(fingerprint="old")
    )
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
def test_a_bookmark_applies_to_the_values_it_was_left_by(found_by, start_date, since):
    bookmark = Bookmark(value=MIDDLE, found_by=found_by)
    plan = _plan({"a": bookmark}, start_date=start_date)
    assert plan.resumes["a"].since == since
    foreign = found_by not in {None, "filter x"}
    assert any("emitting every record found" in note for note in plan.notes) == foreign


@pytest.mark.parametrize("start_date", [None, EARLY])
def test_a_bookmark_applies_to_other_ranges_without_start_date(start_date):
    bookmarks = {"a": Bookmark(value=LATE, found_by="lead_ids 1-5")}
    plan = _plan(bookmarks, found_by="lead_ids 1-9", start_date=start_date)
    assert plan.resume.since == (EARLY if start_date else LATE)
    assert any("emitting every record found" in note for note in plan.notes) == bool(start_date)


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
    assert start == expected


def test_without_a_cursor_the_log_is_read_from_start_date():
    bookmarks = {"a": Bookmark(log_until=LATE), "b": Bookmark()}
    assert log_start(bookmarks, EARLY, 600) == (EARLY, None)
    with pytest.raises(SettingsError, match="start_date is required"):
        log_start(bookmarks, None, 600)


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        (["opportunity_changes"], "Set it for one run"),
        (["opportunity_changes", "opportunity_role_changes"], "Set it for one run"),
        (["opportunity_roles", "opportunity_changes"], "run a backfill first"),
    ],
)
def test_streams_without_a_start_are_named_with_advice(missing, advice):
    bookmarks = {"opportunities": Bookmark(log_until=LATE)} | dict.fromkeys(missing, Bookmark())
    with pytest.raises(SettingsError) as caught:
        log_start(bookmarks, None, 600)
    assert f"for the first time for {' and '.join(missing)} (" in str(caught.value)
    assert advice in str(caught.value)


def test_what_is_written_by_hand_goes_before_start_date():
    by_hand = Bookmark(value=EARLY)
    assert log_start({"a": by_hand}, LATE, 600) == ("2025-12-31T23:50:00Z", EARLY)
    with_another = {"a": by_hand, "b": Bookmark(log_until=MIDDLE)}
    assert log_start(with_another, LATE, 600) == ("2025-12-31T23:50:00Z", EARLY)
    earlier = {"a": Bookmark(value=LATE), "b": Bookmark(log_until=EARLY)}
    assert log_start(earlier, MIDDLE, 600) == (MIDDLE, EARLY)


@pytest.mark.parametrize(("start_date", "begins"), [(MIDDLE, MIDDLE), (None, EARLY)])
def test_an_interrupted_refresh_by_the_log_is_one_again(start_date, begins):
    refresh = make_resume_point(fingerprint="old", log_from=EARLY, cursor=None)
    known = Bookmark(value=LATE, found_by="activities", log_until=LATE, resume=refresh)
    assert log_start({"a": known, "b": Bookmark(log_until=LATE)}, start_date, 0) == (begins, None)
    plan = _plan({"a": known}, found_by="activities", log_from=begins, start_date=start_date)
    assert any("was a full refresh" in note for note in plan.notes)


@pytest.mark.parametrize(("value", "found_by"), [(None, "activities"), (LATE, "filter x")])
def test_a_refresh_by_the_log_is_known_by_its_cursor(value, found_by):
    refresh = make_resume_point(fingerprint="old", log_from=EARLY, cursor=None)
    known = Bookmark(value=value, found_by=found_by, log_until=LATE, resume=refresh)
    notes = _plan({"a": known}, found_by="activities", log_from=EARLY).notes
    assert "The interrupted run was a full refresh, and so is this one." in notes
    swept = Bookmark(value=value, found_by=found_by, resume=refresh)
    notes = _plan({"a": swept}, found_by="activities", log_from=EARLY).notes
    assert not any("was a full refresh" in note for note in notes)


def test_an_interrupted_daily_run_by_the_log_is_no_refresh():
    daily = make_resume_point(fingerprint="old", log_from=EARLY, cursor=MIDDLE)
    known = Bookmark(found_by="activities", log_until=MIDDLE, resume=daily)
    assert log_start({"a": known}, EARLY, 0) == (MIDDLE, MIDDLE)
    plan = _plan({"a": known}, found_by="activities", log_from=MIDDLE, cursor=MIDDLE)
    assert plan.notes == [
        "Settings changed since the interrupted run: ignoring its position and starting over."
    ]


def test_an_interrupted_filter_run_keeps_the_cursor_of_the_log():
    by_filter = make_resume_point(fingerprint="old", since=None)
    known = Bookmark(found_by="activities", log_until=LATE, resume=by_filter)
    assert log_start({"a": known}, EARLY, 0) == (LATE, LATE)
    plan = _plan({"a": known}, found_by="activities", log_from=LATE, cursor=LATE)
    assert not any("was a full refresh" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("since", "now", "start_date"),
    [(EARLY, EARLY, EARLY), (EARLY, None, None), (None, EARLY, EARLY), (LATE, LATE, None)],
)
def test_a_refresh_with_a_start_date_is_one_again(since, now, start_date):
    refresh = make_resume_point(fingerprint="old", since=since)
    known = Bookmark(value=LATE, found_by="filter x", resume=refresh)
    plan = _plan({"a": known}, start_date=start_date)
    assert plan.resume.since == now
    again = any("was a full refresh" in note for note in plan.notes)
    assert again == (since != LATE)


def test_of_two_cursors_the_earlier_one_counts():
    bookmarks = {"a": Bookmark(log_until=LATE), "b": Bookmark(log_until=MIDDLE)}
    assert log_start(bookmarks, None, 0)[1] == MIDDLE


def test_a_run_that_resumes_says_so():
    notes = _plan({"a": Bookmark(resume=make_resume_point())}).notes
    assert notes == ["Resuming where the last run stopped."]


@pytest.mark.parametrize(
    ("cursor", "log_until", "notes"),
    [
        (MIDDLE, None, [f"Continuing after the sweep of leads 1, leads 2, from {MIDDLE}."]),
        (None, None, []),
        (MIDDLE, LATE, []),
    ],
)
def test_sweeps_after_which_a_log_run_continues_are_named(cursor, log_until, notes):
    bookmarks = {
        leads: Bookmark(value=EARLY, found_by=leads, sweep_leads=leads, log_until=log_until)
        for leads in ("leads 2", "leads 1")
    }
    plan = _plan(bookmarks, found_by="activities", log_from=EARLY, cursor=cursor)
    assert plan.notes == notes


def test_without_the_log_no_sweep_is_named():
    assert _plan({"a": Bookmark(found_by="filter x", sweep_leads="leads 1")}).notes == []


@pytest.mark.parametrize("cursor", [None, LATE])
@pytest.mark.parametrize(
    ("start_date", "since"), [(None, DAY_BEFORE), (MIDDLE, MIDDLE), (EARLY, DAY_BEFORE)]
)
def test_a_run_with_the_log_emits_from_a_day_before(cursor, start_date, since):
    begun = _plan(
        {"a": Bookmark()},
        found_by="activities",
        start_date=start_date,
        log_from=MIDDLE,
        cursor=cursor,
    ).resume
    assert (begun.since, begun.log_from, begun.cursor) == (since, MIDDLE, cursor)
    assert (begun.fingerprint, begun.began) == ("f", LATE)


@pytest.mark.parametrize(
    ("kept", "start_date", "since"),
    [
        # As the version before left it, and as this one does.
        (MIDDLE, None, DAY_BEFORE),
        (DAY_BEFORE, None, DAY_BEFORE),
        (MIDDLE, MIDDLE, MIDDLE),
        # A refresh, or a first run of the version before, goes on as it was.
        (None, EARLY, None),
    ],
)
def test_an_interrupted_log_resumes_with_the_day_before(kept, start_date, since):
    resume = make_resume_point(since=kept, log_from=MIDDLE, cursor=MIDDLE)
    plan = _plan({"a": Bookmark(resume=resume)}, found_by="activities", start_date=start_date)
    assert plan.resume.since == since
    assert plan.resume.at == resume.at


def test_an_interrupted_sweep_keeps_what_it_emits():
    resume = make_resume_point(since=MIDDLE)
    assert _plan({"a": Bookmark(resume=resume)}, start_date=EARLY).resume.since == MIDDLE


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
    assert _plan({"a": bookmark}, found_by=now).resume.since == since


def test_the_bookmark_of_a_static_list_holds_nothing_back():
    bookmark = Bookmark(value=EARLY, found_by="lead_list 5")
    plan = _plan({"a": bookmark}, found_by="lead_list 5", start_date=None)
    assert plan.resume.since is None
    assert plan.notes == [
        "The list may have other leads than in the last sweep: emitting every record found."
    ]


def test_streams_with_a_bookmark_of_other_keys_are_named():
    other = Bookmark(value=EARLY, found_by="filter b")
    bookmarks = {"a": other, "b": Bookmark(value=EARLY, found_by="filter a"), "c": other}
    assert _plan(bookmarks, found_by="filter a").notes == [
        "The bookmark of a and c belongs to other lookup values: emitting every record found."
    ]


@pytest.mark.parametrize(("cursor", "since"), [(None, None), (MIDDLE, LATE)])
def test_only_a_refresh_by_the_log_is_one_again_with_other_keys(cursor, since):
    by_log = make_resume_point(fingerprint="old", log_from=EARLY, cursor=cursor)
    bookmark = Bookmark(value=LATE, found_by="filter x", resume=by_log)
    plan = _plan({"a": bookmark})
    assert plan.resume.since == since
    assert any("was a full refresh" in note for note in plan.notes) == (since is None)
