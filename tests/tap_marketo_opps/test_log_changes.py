"""Tests of the conversion of log entries to changes, in any form."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tap_marketo_opps.log_changes import (
    UnreadableChangesError,
    attributes_of,
    field_changes,
    role_change,
)

STAGE = {"attributeName": "Stage", "oldValue": "Proposal", "newValue": "Won"}
COMMON = {
    "marketoGUID": "g",
    "leadId": 5,
    "activityDate": "2026-01-02T03:04:05Z",
    "opportunityId": 77,
    "opportunityName": "Acme",
    "role": "Buyer",
    "isPrimary": True,
}


def _entry(changes, name="Data Value Changes"):
    values = {"Role": "Buyer", "Is Primary": True, name: changes}
    return {
        "id": 1,
        "marketoGUID": "g",
        "leadId": 5,
        "activityDate": "2026-01-02T03:04:05Z",
        "activityTypeId": 36,
        "primaryAttributeValueId": 77,
        "primaryAttributeValue": "Acme",
        "attributes": [{"name": each, "value": value} for each, value in values.items()],
    }


def _changes(entry):
    return field_changes(entry, str.lower)


@pytest.mark.parametrize(
    "changes", [json.dumps([STAGE]), [STAGE], f" {json.dumps([STAGE])}\n"], ids=repr
)
def test_a_change_is_a_record_with_what_the_entry_says(changes):
    record = {"field": "stage", "oldValue": "Proposal", "newValue": "Won", **COMMON}
    assert _changes(_entry(changes)) == [record]


def test_changes_come_in_their_order_and_of_a_field_the_last():
    changes = [STAGE, {"attributeName": "name", "newValue": "A"}, STAGE | {"newValue": "Lost"}]
    found = [(each["field"], each["newValue"]) for each in _changes(_entry(changes))]
    assert found == [("stage", "Lost"), ("name", "A")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234567890123456.70", "1234567890123456.70"),
        ("1e400", "1e400"),
        ('"x"', "x"),
        ("true", "true"),
        ("null", None),
        ('{"a": [1]}', '{"a": ["1"]}'),
        ("NaN", "NaN"),
    ],
)
def test_values_are_texts_with_every_digit_of_a_number(value, text):
    (change,) = _changes(_entry(f'[{{"attributeName":"a","newValue":{value}}}]'))
    assert (change["oldValue"], change["newValue"]) == (None, text)


def test_numbers_that_come_decoded_keep_their_digits():
    value = Decimal("1234567890123456.70")
    (change,) = _changes(_entry([{"attributeName": "a", "oldValue": value, "newValue": 3}]))
    assert (change["oldValue"], change["newValue"]) == (str(value), "3")


@pytest.mark.parametrize("name", ["dataValueChanges", "data_value_changes", " DATA VALUE CHANGES "])
def test_attributes_are_known_by_name_in_any_spelling(name):
    assert _changes(_entry([STAGE], name))[0]["field"] == "stage"


def test_attributes_may_come_as_an_object():
    attributes = {"Role": "Buyer", "Is Primary": True, "Data Value Changes": [STAGE]}
    entry = _entry([]) | {"attributes": attributes}
    assert attributes_of(entry) == attributes
    assert _changes(entry)[0]["role"] == "Buyer"


@pytest.mark.parametrize(
    "changes",
    ["", "not JSON", '{"attributeName":"a"}', STAGE, None, 5, "[" * 100_000, "null"],
    ids=lambda value: repr(value)[:30],
)
def test_changes_in_no_known_form_are_reported(changes):
    with pytest.raises(UnreadableChangesError) as caught:
        _changes(_entry(changes))
    assert caught.value.readable == []


@pytest.mark.parametrize("attributes", [None, "text", [], [None, "x"], {}])
def test_an_entry_without_changes_is_reported(attributes):
    with pytest.raises(UnreadableChangesError):
        _changes(_entry([]) | {"attributes": attributes})


@pytest.mark.parametrize("other", [None, "x", {}, {"attributeName": " "}, {"attributeName": 5}])
def test_what_can_be_read_of_an_entry_is_kept(other):
    with pytest.raises(UnreadableChangesError) as caught:
        _changes(_entry([other, STAGE]))
    assert [each["field"] for each in caught.value.readable] == ["stage"]


def test_an_entry_that_says_nothing_has_changed_has_no_record():
    assert _changes(_entry("[]")) == []


def test_a_role_change_says_what_became_of_the_role():
    assert role_change(_entry([]), "added") == {"change": "added", **COMMON}


def test_a_role_change_without_attributes_has_the_rest():
    found = role_change(_entry([]) | {"attributes": None}, "removed")
    assert found == {"change": "removed", **COMMON, "role": None, "isPrimary": None}
