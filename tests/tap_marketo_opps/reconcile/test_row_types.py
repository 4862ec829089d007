"""Tests of the conversion of a row's cells to the types of the SCHEMA."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tap_marketo_opps.reconcile.row_types import RowReader, read_timestamp
from tap_marketo_opps.schemas import description_from_properties

TYPES = {
    "marketoGUID": {"type": "string"},
    "updatedAt": {"type": ["string", "null"], "format": "date-time"},
    "name": {"type": ["string", "null"]},
    "amount": {"type": ["number", "null"]},
    "legacyNumber": {"type": ["integer", "null"]},
    "isWon": {"type": ["boolean", "null"]},
    "closeDate": {"type": ["string", "null"], "format": "date"},
}
NOW = "2026-11-28T12:00:00Z"


def _reader(columns, fields=TYPES, misfits=None):
    told = [] if misfits is None else misfits
    return RowReader(
        columns, [*fields], description_from_properties(TYPES), lambda *misfit: told.append(misfit)
    )


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("name", "Acme, Ltd", "Acme, Ltd"),
        ("name", " kept ", " kept "),
        ("name", "", None),
        ("amount", "1234567890123456.78", Decimal("1234567890123456.78")),
        ("amount", "1e3", Decimal("1e3")),
        ("amount", " ", None),
        ("legacyNumber", "42", 42),
        ("legacyNumber", "42.0", 42),
        ("isWon", "t", True),
        ("isWon", "f", False),
        ("isWon", "TRUE", True),
        ("isWon", "0", False),
        ("isWon", "", None),
        ("closeDate", "2026-05-07", "2026-05-07"),
        ("closeDate", "2026-05-07 00:00:00", "2026-05-07"),
        ("updatedAt", "2026-05-07 10:11:12", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12.345", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12+00", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12+02", "2026-05-07T08:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12.000 Z", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12 UTC", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07 10:11:12 +0530", "2026-05-07T04:41:12Z"),
        ("updatedAt", "2026-05-07T10:11:12Z", "2026-05-07T10:11:12Z"),
        ("updatedAt", "2026-05-07T10:11:12", "2026-05-07T10:11:12Z"),
    ],
)
def test_a_cell_is_typed_as_the_schema_says(name, cell, value):
    reader = _reader(["marketoGUID", name], ["marketoGUID", name])
    tombstone = reader.tombstone(("g", cell), NOW)
    assert tombstone == {"marketoGUID": "g", name: value, "_sdc_deleted_at": NOW}
    json.dumps(tombstone, default=str)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("amount", "much"), ("isWon", "yes"), ("closeDate", "May"), ("updatedAt", "infinity")],
)
def test_a_cell_that_does_not_fit_is_null_and_told_by_its_guid(name, cell):
    misfits = []
    reader = _reader([name, "marketoGUID"], ["marketoGUID", name], misfits)
    assert reader.tombstone((cell, " g "), NOW)[name] is None
    assert misfits == [(name, "g")]


@pytest.mark.parametrize(
    "columns",
    [
        ["marketoGUID", "updatedAt", "isWon"],
        ["marketo_guid", "updated_at", "is_won"],
        ["MARKETOGUID", " UPDATED_AT", "ISWON "],
        ["marketoguid", "updatedat", "iswon"],
    ],
)
def test_columns_are_named_as_all_names_are_compared(columns):
    reader = _reader(columns)
    assert reader.has_updated_at
    assert reader.missing == ["name", "amount", "legacyNumber", "closeDate"]
    tombstone = reader.tombstone(("g", "2026-05-07", "t"), NOW)
    assert tombstone["isWon"] is True
    assert tombstone["updatedAt"] == "2026-05-07T00:00:00Z"


def test_of_columns_that_compare_equal_the_exact_name_counts():
    reader = _reader(["NAME", "marketoGUID", "na_me", "name"], ["marketoGUID", "name"])
    assert reader.tombstone(("a", "g", "b", "c"), NOW)["name"] == "c"


def test_cells_that_a_short_row_lacks_are_null():
    reader = _reader(["marketoGUID", "name", "_sdc_deleted_at"], ["marketoGUID", "name"])
    assert reader.tombstone(("g",), NOW)["name"] is None
    assert not reader.is_marked(("g",))


@pytest.mark.parametrize(("cell", "is_marked"), [("", False), (" ", False), (NOW, True)])
def test_a_mark_that_is_set_says_that_a_record_is_gone(cell, is_marked):
    reader = _reader(["marketoGUID", "_SDC_DELETED_AT"], ["marketoGUID"])
    assert reader.is_marked(("g", cell)) == is_marked


@pytest.mark.parametrize("value", [None, "", "soon", 5, {}, "2026-13-01T00:00:00Z"])
def test_a_moment_that_is_none_is_none(value):
    assert read_timestamp(value) is None
