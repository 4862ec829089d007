"""Tests of which records are new enough, or emitted regardless of age."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.newness import (
    Sweep,
    changed_since,
    emit_since,
    leads_touched,
    never_swept,
)

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("log_from", "start_date", "since"),
    [
        (MIDDLE, None, "2026-01-31T00:00:00Z"),
        (MIDDLE, LATE, "2026-01-31T00:00:00Z"),  # a bookmark by hand goes before it
        (MIDDLE, EARLY, "2026-01-31T00:00:00Z"),
        # A first run, and one soon after it.
        (MIDDLE, MIDDLE, MIDDLE),
        ("2026-02-01T12:00:00Z", MIDDLE, MIDDLE),
        ("0001-01-01T00:00:00Z", None, "0001-01-01T00:00:00Z"),
    ],
)
def test_what_the_log_leads_to_is_emitted_from_a_day_before(log_from, start_date, since):
    assert emit_since(log_from, start_date) == since


@pytest.mark.parametrize(
    ("updated_at", "new"),
    [("2026-02-28T23:59:59Z", False), (LATE, True), (None, True), ("odd", True)],
)
def test_a_record_of_the_very_moment_of_the_bookmark_is_new(updated_at, new):
    record = {} if updated_at is None else {"updatedAt": updated_at}
    assert changed_since(LATE)(record) is new
    assert changed_since(None)(record)


def test_leads_that_others_were_merged_into_are_forced():
    kinds = {1: 34, 2: 32, 3: "32", 4: None}
    log = [{"leadId": lead, "activityTypeId": kind} for lead, kind in kinds.items()]
    assert list(leads_touched(log, (32,))) == [
        ("1", False),
        ("2", True),
        ("3", True),
        ("4", False),
    ]
    assert not any(force for _, force in leads_touched(log, ()))


@pytest.mark.parametrize(
    ("sweeps", "untold"),
    [
        ([], []),
        ([("lead_ids 1-5", LATE)], ["6", 8, None]),
        ([("lead_ids 1-9", LATE)], [None]),
        # Two sweeps that one stream goes on from were both told.
        ([("lead_ids 1-2, lead_ids 4-6", LATE)], [8, None]),
        # Of two streams only one knows the later ones.
        ([("lead_ids 1-5", LATE), ("lead_ids 1-9", LATE)], ["6", 8, None]),
        # Nothing is known of the leads that a file does not hold.
        ([("lead_ids 0123abcd", LATE)], []),
        ([("lead_ids 0123abcd, lead_ids 1-6", LATE)], [8, None]),
        # What changed since the sweep began, the log has told.
        ([("lead_ids 1-5", MIDDLE)], []),
        ([("lead_ids 1-5", MIDDLE), ("lead_ids 1-7", LATE)], [8, None]),
    ],
)
def test_leads_beyond_what_was_swept_bring_what_is_older(sweeps, untold):
    is_untold = never_swept([Sweep(*sweep) for sweep in sweeps])
    roles = [{"leadId": lead, "updatedAt": MIDDLE} for lead in (2, 5, "6", 8, None)]
    assert [role["leadId"] for role in roles if is_untold(role)] == untold
