"""Names in error messages."""

from __future__ import annotations

import pytest

from marketo_opps.near_names import example_setting, listed, near_names, or_near, quoted

FIELDS = ["externalOpportunityId", "amount", "closeDate", "lastActivityDate"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("amuont", ["amount"]),
        ("CLOSE_DATE", ["closeDate"]),
        ("close date", ["closeDate"]),
        ("stage", []),
    ],
)
def test_near_names_are_those_spelt_alike(name, near):
    assert near_names(name, FIELDS) == near


def test_the_three_most_similar_come_first():
    names = ["field12", "field1", "field123", "fields1", "field1234567"]
    assert near_names("field1", names) == ["field1", "fields1", "field12"]


def test_a_misspelt_name_is_followed_by_similar_ones():
    assert or_near("amuont", FIELDS) == "'amuont' (near: 'amount')"
    assert or_near("field", ["field1", "field2"]) == "'field' (near: 'field2', 'field1')"
    assert or_near("stage", FIELDS) == "'stage'"


def test_invisible_characters_are_shown_as_escapes():
    assert quoted("\ufeffamount") == r"'\ufeffamount'"
    assert quoted("a\tb") == r"'a\u0009b'"
    assert listed(["Größe", "a b"]) == "'Größe', 'a b'"


def test_an_example_is_json_that_can_be_copied():
    assert example_setting({"name": "Größe\u200b"}) == r'{"name": "Größe\u200b"}'
