"""Conversion of the cells of a warehouse row to the types of the SCHEMA; pure."""

from __future__ import annotations

import re
import typing as t

from marketo_opps import FieldDescription
from marketo_opps.fields import MARKETO_GUID, UPDATED_AT, reader
from marketo_opps.keys import comparable_name

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_opps import ObjectDescription, Record

DELETED_AT = "_sdc_deleted_at"

_BOOLEANS = {"t": "true", "f": "false"}
# What databases write for null in place of an empty cell.
_NULLS = frozenset({"NULL", r"\N"})
# Some warehouses write a space before the offset, or the name of the time zone.
_ZONE = re.compile(r"\s+(?:UTC|(?=Z$|[+-][0-9:]+$))", re.IGNORECASE)

_read_timestamp = reader(FieldDescription(UPDATED_AT, "", "datetime"))


class RowReader:
    """Reads the cells of warehouse rows as values of fields.

    Names of columns match names of fields regardless of case and underscores.

    Args:
        columns: Names of the columns.
        fields: Names of the stream's selected fields.
        types: Description of the stream's fields.
        on_misfit: Called with field and GUID for each value that does not match its type.

    Attributes:
        missing: Selected fields without a column.
        has_updated_at: True if there is a column for `updatedAt`.
    """

    def __init__(
        self,
        columns: Sequence[str],
        fields: Sequence[str],
        types: ObjectDescription,
        on_misfit: Callable[[str, str], None],
    ) -> None:
        places = _places(columns)
        described = {field.name: field for field in types.fields}
        self._plan = {
            name: (place, _cell_reader(described[name]))
            for name in fields
            if (place := _place(places, name)) is not None
        }
        self._key = _place(places, MARKETO_GUID) or 0
        self._updated_at = _place(places, UPDATED_AT)
        self._deleted_at = _place(places, DELETED_AT)
        self._on_misfit = on_misfit
        self.missing = [name for name in fields if name not in self._plan]
        self.has_updated_at = self._updated_at is not None

    def updated_at(self, cells: Sequence[str]) -> str | None:
        """Return `updatedAt` of a warehouse row as a timestamp; None if the row has none."""
        return read_timestamp(_cell_at(cells, self._updated_at))

    def is_marked(self, cells: Sequence[str]) -> bool:
        """Return True if a warehouse row is already marked as deleted, by `_sdc_deleted_at`.

        Raises:
            ValueError: The mark is not a date-time.
        """
        mark = _cell_at(cells, self._deleted_at).strip()
        if mark and read_timestamp(mark) is None:
            raise ValueError("not a date-time")
        return bool(mark)

    def has_unreadable_date(self, cells: Sequence[str]) -> bool:
        """Return True if a warehouse row has an `updatedAt` that is not a date-time."""
        cell = _cell_at(cells, self._updated_at).strip()
        return bool(cell) and read_timestamp(cell) is None

    def tombstone(self, cells: Sequence[str], deleted_at: str) -> Record:
        """Return a warehouse row as a record that is marked as deleted, by `_sdc_deleted_at`.

        Args:
            cells: Cells of the row.
            deleted_at: Value of `_sdc_deleted_at`.
        """
        guid = _cell_at(cells, self._key).strip()
        record = {
            name: self._typed(name, read, _cell_at(cells, place), guid)
            for name, (place, read) in self._plan.items()
        }
        return {**record, MARKETO_GUID: guid, DELETED_AT: deleted_at}

    def _typed(self, name: str, read: Callable[[str], t.Any], cell: str, guid: str) -> t.Any:
        try:
            return read(cell) if cell else None
        except ValueError:
            self._on_misfit(name, guid)
            return None


def read_timestamp(value: t.Any) -> str | None:
    """Return a date-time of Marketo or of a warehouse as a timestamp; None for other values."""
    try:
        return t.cast("str | None", _read_timestamp(_iso_text(value))) if value else None
    except ValueError:
        return None


def _iso_text(value: t.Any) -> t.Any:
    # The usual forms need no change, which saves time.
    return _zoned(value) if isinstance(value, str) and " " in value[10:].lstrip() else value


def _zoned(cell: str) -> str:
    """Return a date-time of a warehouse in the form of ISO 8601.

    Remove " UTC" at the end, or the space before an offset.
    """
    return _ZONE.sub("", cell.strip(), count=1)


def _cell_reader(field: FieldDescription) -> Callable[[str], t.Any]:
    """Return a function that converts a non-empty cell of a warehouse row to a field's type."""
    read = reader(field)
    if field.data_type == "boolean":
        return lambda cell: read(_BOOLEANS.get(cell.strip().lower(), cell))
    if field.data_type == "datetime":
        return lambda cell: read(_iso_text(cell))
    return read


def _places(columns: Sequence[str]) -> Mapping[str, int]:
    """Return a dict from names of columns to their indexes in a row.

    It contains both the exact name of each column, and that name without case and underscores.
    """
    bare = [name.strip() for name in columns]
    # An exact name takes precedence, then the first of the columns with equal comparable names.
    compared = {comparable_name(name): place for place, name in reversed([*enumerate(bare)])}
    return {**compared, **{name: place for place, name in reversed([*enumerate(bare)])}}


def _place(places: Mapping[str, int], name: str) -> int | None:
    return places.get(name, places.get(comparable_name(name)))


def _cell_at(cells: Sequence[str], place: int | None) -> str:
    """Return the cell of a row at an index; an empty string if it is null.

    It also is if the row is too short; the index is None for a field that has no column.
    """
    cell = cells[place] if place is not None and place < len(cells) else ""
    return "" if cell in _NULLS else cell
