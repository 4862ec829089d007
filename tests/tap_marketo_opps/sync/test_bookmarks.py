"""Tests of invalid bookmarks, which are reported and do not make a run miss records."""

from __future__ import annotations

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.sync.state import Bookmark
from tests.tap_marketo_opps.helpers import make_resume_point
from tests.tap_marketo_opps.sync.runs import (
    AHEAD,
    EARLY,
    FILTER,
    HOST,
    LATE,
    LEADS,
    LOG,
    MIDDLE,
    NOW,
    finished,
    started,
)

FIVE_MINUTES_ON = "2026-04-01T00:05:00Z"
FOUND = {"found_by": "lead_ids 1-900", "resume": None}
MOMENTS = ("replication_key_value", "log_until", "sweep_began")


@pytest.mark.parametrize("settings", [FILTER, LEADS, LOG])
def test_a_start_date_after_marketos_clock_is_refused(settings):
    second_on = {"start_date": "2026-04-01T00:00:01Z"}
    with pytest.raises(SettingsError, match=rf"start_date \S+ is in the future: .* it is {NOW}"):
        started(settings | second_on, {"opportunities": {}})
    started(settings | {"start_date": NOW}, {"opportunities": {}})


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("settings", [LEADS, LOG])
def test_a_bookmark_that_lies_ahead_is_reported_and_start_date_holds(settings, name, caplog):
    bookmarks = {"opportunities": FOUND | {name: AHEAD}}
    run = started(settings | {"start_date": EARLY}, bookmarks)
    resume = run.plan.resume
    assert {resume.since, resume.log_from} <= {None, EARLY}
    assert resume.cursor is None
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert f"future: {AHEAD}, while by Marketo's clock it is {NOW}. " in warning.getMessage()
    assert f"Starting from start_date ({EARLY}) instead" in warning.getMessage()


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("settings", [FILTER, LEADS, LOG])
def test_without_start_date_a_bookmark_ahead_is_refused(settings, name):
    with pytest.raises(SettingsError, match=rf"is in the future: {AHEAD}, .* set start_date"):
        started(settings | {"start_date": None}, {"opportunities": {name: AHEAD}})


@pytest.mark.parametrize("name", MOMENTS)
def test_a_bookmark_five_minutes_ahead_is_only_a_clock(name, caplog):
    started(LEADS, {"opportunities": FOUND | {name: FIVE_MINUTES_ON}})
    assert not caplog.records


def test_a_position_left_beside_a_bookmark_ahead_is_not_gone_on_from():
    bookmark = Bookmark(
        value=AHEAD, found_by="lead_ids 1-900", resume=make_resume_point(since=AHEAD)
    )
    run = started(LEADS | {"start_date": EARLY}, {"opportunities": bookmark.to_state("updatedAt")})
    assert run.bookmarks["opportunities"].resume is None


def test_only_a_stream_with_a_future_bookmark_begins_at_start_date():
    bookmarks = {
        "opportunities": FOUND | {"replication_key_value": LATE},
        "opportunity_roles": FOUND | {"replication_key_value": AHEAD},
    }
    resumes = started(LEADS | {"start_date": EARLY}, bookmarks).plan.resumes
    assert (resumes["opportunities"].since, resumes["opportunity_roles"].since) == (LATE, EARLY)


def test_a_full_table_has_no_bookmark_that_could_lie_ahead():
    bookmarks = {"opportunities": FOUND | {"replication_key_value": AHEAD}}
    assert started(LEADS, bookmarks, is_incremental=False).plan.resume.since is None


@pytest.mark.parametrize("settings", [FILTER, LEADS, LOG])
@pytest.mark.parametrize("value", [AHEAD, FIVE_MINUTES_ON, MIDDLE, None])
def test_the_bookmark_written_is_never_later_than_the_runs_beginning(settings, value):
    before = {"replication_key_value": value, "log_until": value, "sweep_began": value}
    left, _ = finished(settings | {"start_date": EARLY}, {"opportunities": before})
    assert (left["opportunities"]["replication_key_value"] or NOW) <= NOW


@pytest.mark.parametrize("member", ["began", "since", "cursor", "log_from"])
def test_a_position_of_a_run_yet_to_begin_is_not_gone_on_from(member, caplog):
    resume = make_resume_point(**{member: AHEAD}).encode()
    bookmarks = {"opportunities": FOUND | {"replication_key_value": LATE, "resume": resume}}
    run = started(LEADS, bookmarks)
    assert (run.plan.resume.since, run.plan.resume.began) == (LATE, NOW)
    assert "Cannot resume the interrupted run of opportunities" in caplog.text


def test_a_bookmark_named_after_the_replication_key_is_read():
    run = started(LEADS, {"opportunities": {"updatedAt": LATE}})
    assert run.bookmarks["opportunities"].value == LATE


def test_a_bookmark_made_anew_still_belongs_to_its_instance():
    bookmarks = {"opportunities": FOUND | {"replication_key_value": AHEAD}}
    run = started(LEADS | {"start_date": EARLY}, bookmarks)
    assert run.bookmarks["opportunities"].instance == HOST
