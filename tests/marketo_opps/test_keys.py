"""Which values of keys are taken for the same."""

from __future__ import annotations

import pytest

from marketo_opps.keys import comparable_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OPP-1", "opp-1"),
        ("opp-1 ", "opp-1"),
        ("opp-1\t\n", "OPP-1"),
        ("STRASSE", "straße"),
        (7, "7"),
    ],
)
def test_keys_that_may_be_the_same_record_compare_equal(one, other):
    assert comparable_key(one) == comparable_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("opp-1", "opp-2"), (" opp-1", "opp-1"), ("opp 1", "opp1"), ("07", 7)],
)
def test_other_keys_compare_different(one, other):
    assert comparable_key(one) != comparable_key(other)


@pytest.mark.parametrize("value", [None, "", " ", "\n"])
def test_a_missing_or_blank_key_is_none(value):
    assert comparable_key(value) is None
