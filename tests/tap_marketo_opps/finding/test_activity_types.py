"""Tests of the selection of activity types by name and ID."""

from __future__ import annotations

import pytest

from tap_marketo_opps.errors import NoActivityTypesError
from tap_marketo_opps.finding.activity_types import followed_types

STANDARD = {
    "Visit Webpage": 1,
    "Merge Leads": 32,
    "Add to Opportunity": 34,
    "Remove from Opportunity": 35,
    "Update Opportunity": 36,
}
ABOUT = {34: "Add to Opportunity", 35: "Remove from Opportunity", 36: "Update Opportunity"}


def _renamed(old, new):
    return {new if name == old else name: number for name, number in STANDARD.items()}


def _without(*names):
    return {name: number for name, number in STANDARD.items() if name not in names}


def test_of_standard_types_all_are_followed_and_nothing_is_reported():
    followed = followed_types(STANDARD)
    assert (followed.names, followed.merges, followed.missing) == (ABOUT, (32,), ())
    assert followed.warnings == followed.notes == ()


@pytest.mark.parametrize(
    ("listed", "names", "merges"),
    [
        (_renamed("Update Opportunity", " update OPPORTUNITY "), ABOUT, (32,)),
        (_renamed("Merge Leads", "merge leads"), ABOUT, (32,)),
        # Ids are an instance's own.
        ({"Update Opportunity": 90, "Merge Leads": 34}, {90: "Update Opportunity"}, (34,)),
        # Two that look alike are both followed.
        (STANDARD | {"UPDATE OPPORTUNITY": 99}, ABOUT | {99: "Update Opportunity"}, (32,)),
    ],
)
def test_names_are_compared_without_case_and_outer_blanks(listed, names, merges):
    followed = followed_types(listed)
    assert (followed.names, followed.merges) == (names, merges)
    assert not any("taken for" in warning for warning in followed.warnings)


@pytest.mark.parametrize(
    ("name", "number"),
    [("Update Opportunity", 36), ("Merge Leads", 32), ("Add to Opportunity", 34)],
)
def test_a_type_of_another_name_is_known_by_its_number(name, number):
    followed = followed_types(_renamed(name, "Chance"))
    assert (followed.names, followed.merges, followed.missing) == (ABOUT, (32,), ())
    assert followed.warnings == (
        f"No activity type is named {name}: reading type {number}, 'Chance', instead.",
    )
    assert followed.notes == ()


def test_a_number_that_another_name_has_stands_for_nothing_else():
    followed = followed_types({"Add to Opportunity": 36, "Merge Leads": 32})
    assert followed.names == {36: "Add to Opportunity"}
    assert followed.missing == ("Remove from Opportunity", "Update Opportunity")


@pytest.mark.parametrize(
    "missing", [("Merge Leads",), ("Update Opportunity",), ("Add to Opportunity", "Merge Leads")]
)
def test_each_missing_type_is_warned_of_by_name(missing):
    followed = followed_types(_without(*missing))
    assert followed.missing == missing
    assert len(followed.warnings) == len(missing)
    for name, warning in zip(missing, followed.warnings, strict=True):
        assert warning.startswith(f"This instance has no activity type {name}: ")
        assert "find_by: lead_ids" in warning


def test_other_types_about_opportunities_are_reported_once():
    others = {"Opportunity Score": 100_001, "Lost opportunity": 100_002}
    (note,) = followed_types(STANDARD | others).notes
    told = "'Opportunity Score' (100001), 'Lost opportunity' (100002)."
    assert note == f"Activity types about opportunities that are not read: {told}"


@pytest.mark.parametrize("listed", [{}, {"Visit Webpage": 1}, {"Merge Leads": 32}])
def test_without_opportunity_types_the_error_names_alternatives(listed):
    with pytest.raises(NoActivityTypesError, match="use find_by: filter or lead_ids"):
        followed_types(listed)
