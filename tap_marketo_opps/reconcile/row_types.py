"""The cells of a warehouse's row, in the types of the SCHEMA; pure."""

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
# Some warehouses write a blank before the offset, or the zone's name.
_ZONE = re.compile(r"\s+(?:UTC|(?=Z$|[+-][0-9:]+$))", re.IGNORECASE)

_read_moment = reader(FieldDescription(UPDATED_AT, "", "datetime"))


class RowReader:
    """Reads rows whose columns are named as all names are compared.

    Args:
        columns: Names of the cells of a row.
        fields: Those of the stream that are selected.
        types: Of the stream's fields.
        on_misfit: Called with field and GUID of every value that does not fit its type.

    Attributes:
        missing: Selected fields that have no column.
        has_updated_at: True if rows say when their records changed.
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
        """Return when a row's record changed; None where it does not say so."""
        return read_moment(_cell_at(cells, self._updated_at))

    def is_marked(self, cells: Sequence[str]) -> bool:
        """Return True if the warehouse knows that the record is gone."""
        return bool(_cell_at(cells, self._deleted_at).strip())

    def tombstone(self, cells: Sequence[str], deleted_at: str) -> Record:
        """Return a row as a record, with the mark that its record is gone.

        Args:
            cells: Of the row.
            deleted_at: The moment to mark it with.
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


def read_moment(value: t.Any) -> str | None:
    """Return a date-time of Marketo's or of a warehouse's, to the second; None for any other."""
    try:
        return t.cast("str | None", _read_moment(_iso_text(value))) if value else None
    except ValueError:
        return None


def _iso_text(value: t.Any) -> t.Any:
    # The usual forms are read faster without.
    return _zoned(value) if isinstance(value, str) and " " in value[10:].lstrip() else value


def _zoned(cell: str) -> str:
    """Return a date-time with its zone, where it has one, as ISO 8601 has it."""
    return _ZONE.sub("", cell.strip(), count=1)


def _cell_reader(field: FieldDescription) -> Callable[[str], t.Any]:
    """Return a function from a cell that is not empty to a value."""
    read = reader(field)
    if field.data_type == "boolean":
        return lambda cell: read(_BOOLEANS.get(cell.strip().lower(), cell))
    if field.data_type == "datetime":
        return lambda cell: read(_iso_text(cell))
    return read


def _places(columns: Sequence[str]) -> Mapping[str, int]:
    """Return where each column is, by its name, and by the form in which names are compared."""
    bare = [name.strip() for name in columns]
    # Of several that compare equal the first one counts, and one of exactly a name before all.
    compared = {comparable_name(name): place for place, name in reversed([*enumerate(bare)])}
    return {**compared, **{name: place for place, name in reversed([*enumerate(bare)])}}


def _place(places: Mapping[str, int], name: str) -> int | None:
    return places.get(name, places.get(comparable_name(name)))


def _cell_at(cells: Sequence[str], place: int | None) -> str:
    """Return a cell; empty for a column that is not there, or a row that ends before it."""
    return cells[place] if place is not None and place < len(cells) else ""
