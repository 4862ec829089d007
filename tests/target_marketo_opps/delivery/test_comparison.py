"""Which fields of a stored record would change if a record was written over it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from target_marketo_opps.delivery.comparison import Comparison
from tests.target_marketo_opps.mapping.objects import DESCRIPTION


@pytest.fixture
def comparison():
    return Comparison(DESCRIPTION, ("externalOpportunityId",))


@pytest.mark.parametrize(
    ("field", "ours", "stored"),
    [
        ("name", "A", "A  "),
        ("name", "A  ", "A"),
        ("name", None, "  "),
        ("name", "", None),
        ("amount", Decimal("10.50"), 10.5),
        ("amount", "10.5", Decimal("10.500")),
        ("probability", 7, "7"),
        ("isWon", True, "true"),
        ("closeDate", "2026-03-04", "2026-03-04"),
        ("externalCreatedDate", "2026-03-04T05:06:07+02:00", "2026-03-04T03:06:07Z"),
        ("externalCreatedDate", "2026-03-04T05:06:07.900Z", "2026-03-04T05:06:07Z"),
        ("probability", "odd", "odd"),
        ("externalOpportunityId", "k", "K"),
        ("unknown", 1, 2),
    ],
)
def test_equal_values_are_no_change(comparison, field, ours, stored):
    assert comparison.changes({field: ours}, {field: stored}) == {}
    assert comparison.is_unchanged({field: ours}, {field: stored})


@pytest.mark.parametrize(
    ("field", "ours", "stored", "change"),
    [
        ("name", "A", "B", ("B", "A")),
        ("name", " A", "A", ("A", " A")),
        ("name", "a", "A", ("A", "a")),
        ("name", "A  ", None, (None, "A")),
        ("name", None, "A", ("A", None)),
        ("amount", Decimal("10.50"), 10, (10, Decimal("10.50"))),
        ("probability", "odd", 7, (7, "odd")),
    ],
)
def test_a_change_has_both_values_as_marketo_stores_them(comparison, field, ours, stored, change):
    assert comparison.changes({field: ours}, {field: stored}) == {field: change}
    assert not comparison.is_unchanged({field: ours}, {field: stored})


def test_fields_that_are_not_written_are_not_compared(comparison):
    assert comparison.is_unchanged({"amount": 1}, {"amount": 1, "name": "A"})


def test_a_value_that_marketo_lacks_changes_unless_it_is_empty(comparison):
    assert comparison.changes({"amount": 1, "name": ""}, {}) == {"amount": (None, 1)}
