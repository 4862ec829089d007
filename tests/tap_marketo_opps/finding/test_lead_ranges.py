"""Tests of the labels of lead ranges in bookmarks."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.lead_ranges import (
    lead_range,
    lead_range_contains,
    lead_ranges,
    leads_label,
    range_digest,
)


def test_a_range_comes_back_out_of_its_label():
    assert leads_label(range_digest(3, 5)) == "lead_ids 3-5"
    assert lead_range(leads_label(range_digest(3, 5))) == range(3, 6)


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
def test_which_leads_contain_which(leads, others, expected):
    assert lead_range_contains(leads, others) is expected


def test_a_range_of_leads_is_read_from_its_label():
    assert lead_range("lead_ids 3-5") == range(3, 6)
    assert lead_range("lead_ids 3f-5") == lead_range(None) == range(0)


def test_ranges_of_several_sweeps_are_read_from_one_label():
    assert lead_ranges("lead_ids 1-3, lead_ids 0abc, lead_ids 5-6") == [range(1, 4), range(5, 7)]
    assert lead_ranges("lead_ids 0abc") == []


def test_a_range_contains_another_up_to_both_its_ends():
    assert lead_range_contains("lead_ids 1-9", "lead_ids 1-8")
    assert lead_range_contains("lead_ids 1-9", "lead_ids 2-9")
    assert not lead_range_contains("lead_ids 1-9", "lead_ids 2-10")
    assert not lead_range_contains("lead_ids 1-9", "lead_ids 0-9")


def test_a_range_of_far_too_many_digits_is_none():
    digits = "9" * 5000
    assert not lead_range(f"lead_ids 1-{digits}")
    assert not lead_range_contains(f"lead_ids 1-{digits}", "lead_ids 1-2")
