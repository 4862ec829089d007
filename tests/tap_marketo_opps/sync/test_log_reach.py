"""Tests of from when the log is read, and how far back Marketo keeps it."""

from __future__ import annotations

import pytest

from tap_marketo_opps.sync.log_reach import hand_over_from, hand_over_note, retention_warning

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("made_at", "began", "moment"),
    [(None, LATE, LATE), (EARLY, LATE, EARLY), (LATE, EARLY, EARLY), (LATE, LATE, LATE)],
)
def test_a_sweep_hands_over_from_when_its_leads_were_listed(made_at, began, moment):
    assert hand_over_from(made_at, began) == moment


def test_of_a_list_of_leads_one_sentence_says_from_when():
    assert hand_over_note(None, LATE) is None
    assert f"find_by: activities continues from {EARLY}, " in hand_over_note(EARLY, LATE)
    assert EARLY in hand_over_note(LATE, EARLY)


@pytest.mark.parametrize(
    ("log_from", "is_warned_of"),
    [
        (None, False),
        (LATE, False),
        ("2025-12-01T00:00:00Z", False),
        ("2025-11-30T23:59:59Z", True),
        ("0001-01-01T00:00:00Z", True),
    ],
)
def test_a_log_wanted_from_more_than_90_days_back_warns(log_from, is_warned_of):
    warning = retention_warning(log_from, LATE)
    assert bool(warning) is is_warned_of
    if is_warned_of:
        assert f"from {log_from}, but" in warning
        assert "find_by: lead_ids" in warning
