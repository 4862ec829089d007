"""Which values of a key count as equal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps.keys import comparable_key


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
