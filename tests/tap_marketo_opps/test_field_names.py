"""Tests of the translation of field names in the log to API names."""

from __future__ import annotations

import pytest

from tap_marketo_opps.field_names import FieldNames

OPPORTUNITIES = {
    "closeDate": {"description": "Close Date"},
    "region": {"description": "Sales Region (up to 100 characters)"},
    "type": {"description": "Kind"},
    "kind": {"description": "Other Kind"},
    "tier": {"description": "Level"},
    "level_c": {"description": "Level"},
    "bare": {},
    "null": {"description": None},
    "blank": {"description": " (up to 100 characters)"},
}
ROLES = {
    "isPrimary": {"description": "Is Primary"},
    "created": {"description": "Close Date"},
}


@pytest.mark.parametrize(
    ("logged", "name"),
    [
        ("closeDate", "closeDate"),
        ("Close Date", "closeDate"),
        (" close date ", "closeDate"),
        ("Sales Region", "region"),
        ("bare", "bare"),
        ("Is Primary", "isPrimary"),
    ],
)
def test_a_field_is_known_by_its_api_or_display_name(logged, name):
    assert FieldNames([OPPORTUNITIES, ROLES]).api_name(logged) == name


def test_an_api_name_goes_before_another_fields_display_name():
    assert FieldNames([OPPORTUNITIES]).api_name("Kind") == "kind"


@pytest.mark.parametrize("logged", ["Level", "Nobody's", "", "None"])
def test_a_name_of_no_field_or_of_several_stays_as_it_is(logged):
    assert FieldNames([OPPORTUNITIES, ROLES]).api_name(logged) == logged


def test_without_schemas_names_stay_as_they_are():
    assert FieldNames([]).api_name("Close Date") == "Close Date"
