"""Which values of a key count as equal, and with which text a value is looked up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps.keys import comparable_key, comparable_name, keys_not_among, lookup_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OPP-1", "opp-1"),
        ("opp-1 ", "opp-1"),
        ("opp-1\t\n", "OPP-1"),
        ("STRASSE", "straße"),
        (7, "7"),
        (Decimal("12345.0"), "12345"),
        (Decimal("1.2345E+4"), 12345),
        (Decimal("12345.50"), "12345.5"),
        (1e16, 10**16),
        (True, "TRUE"),
    ],
)
def test_keys_that_may_be_the_same_record_compare_equal(one, other):
    assert comparable_key(one) == comparable_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("opp-1", "opp-2"), (" opp-1", "opp-1"), ("opp 1", "opp1"), ("07", 7), ("7.0", 7), (1.5, 1)],
)
def test_other_keys_compare_different(one, other):
    assert comparable_key(one) != comparable_key(other)


@pytest.mark.parametrize(
    "value", [None, "", " ", "\n", float("nan"), float("-inf"), Decimal("NaN")]
)
def test_a_missing_or_blank_key_is_none(value):
    assert comparable_key(value) is None


@given(st.integers(-(10**30), 10**30), st.integers(0, 9), st.integers(0, 6))
def test_a_number_is_the_same_key_in_any_notation(digits, scale, zeros):
    number = Decimal(f"{digits}e-{scale}")  # exact, unlike scaleb
    plain = format(number, "f")
    padded = f"{plain}{'' if '.' in plain else '.'}{'0' * zeros}"
    spellings = [number, Decimal(padded), Decimal(f"{digits}0e-{scale + 1}")]
    assert len({comparable_key(each) for each in spellings}) == 1
    key = comparable_key(number)
    assert Decimal(key) == number
    assert "e" not in key
    assert key == "0" or "." not in key or not key.endswith("0")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" OPP-1\n", "OPP-1"),
        (7, "7"),
        (1e16, "10000000000000000"),
        (Decimal("1.50E+2"), "150"),
        (10**40, str(10**40)),
    ],
)
def test_a_value_is_looked_up_by_its_plain_text(value, text):
    assert lookup_text(value) == text


@pytest.mark.parametrize("value", [None, True, False, float("nan"), Decimal("NaN"), "  ", [7], {}])
def test_what_is_not_a_key_is_not_looked_up(value):
    assert lookup_text(value) == ""


def test_a_number_too_large_for_plain_notation_is_a_key():
    number = Decimal("1e999999")
    assert comparable_key(number) == comparable_key("1E+999999") == "1e+999999"


@pytest.mark.parametrize(
    "name", ["EXTERNAL_Opportunity_id", "externalOpportunityId", "_externalopportunityid"]
)
def test_names_are_compared_without_case_and_underscores(name):
    assert comparable_name(name) == "externalopportunityid"


def test_keys_without_a_record_equal_no_spelling_of_a_found_key():
    assert keys_not_among({"A", "b ", None}, ["A", "B", "c", "a", "C"]) == ["c", "C"]
    assert keys_not_among({"A"}, ["A"]) == []
    assert keys_not_among(set(), ["A"]) == ["A"]
