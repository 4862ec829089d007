"""Conversion of whole pages to the types of the schema, usual values by msgspec in C."""

from __future__ import annotations

import typing as t
from datetime import date, datetime
from decimal import Decimal

import msgspec

from marketo_opps import FieldDescription
from marketo_opps.field_types import LARGEST_EXPONENT
from marketo_opps.fields import MARKETO_GUID, reader, record_reader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import ObjectDescription, Record
    from tap_marketo_opps.singer_writer import TypedRecord

# Types that msgspec converts itself, to the same JSON as `marketo_opps.fields` produces.
_QUICK_TYPES: dict[str, t.Any] = {
    "integer": int | None,
    "boolean": bool | None,
    "float": Decimal | None,
    "date": date | None,
    "datetime": t.Annotated[datetime, msgspec.Meta(tz=True)] | None,
}


# Marketo sends both; up to them, a time is like 2015-02-03T22:36:23.
_UTC_SUFFIXES = frozenset({"Z", "+0000"})
_SUFFIX_START = len("2015-02-03T22:36:23")


class PageConverter:
    """Converts whole pages to the types of the schema, ten times as fast as record by record.

    A record with a value in an unusual form is converted by `record_reader` instead, which accepts
    all forms. The output is the same in both cases.

    Args:
        description: Description of the fields.
        field_names: Names of the fields to emit, in order.
        replication_key: Field that is read as a datetime, whatever the description says.
        on_misfit: Called with field and GUID for each value that does not match its type.
    """

    def __init__(
        self,
        description: ObjectDescription,
        field_names: Sequence[str],
        replication_key: str,
        on_misfit: Callable[[str, str], None],
    ) -> None:
        self._convert_slowly = record_reader(description, field_names, on_misfit)
        self._key = replication_key
        self._read_replication_key = replication_key_reader(replication_key)
        kinds = {field.name: field.data_type for field in description.fields}
        attributes = {name: f"field_{number}" for number, name in enumerate(field_names)}
        kinds[replication_key] = "datetime"
        self._struct = _struct(attributes, kinds)
        self._structs = list[self._struct]  # type: ignore[name-defined]
        self._guid = attributes.get(MARKETO_GUID)
        self._numbers = [attributes[name] for name in field_names if kinds[name] == "float"]
        self._times = [name for name in field_names if kinds[name] == "datetime"]
        self._is_key_checked = replication_key in attributes

    def __call__(self, records: Sequence[Record]) -> list[tuple[str | None, TypedRecord]]:
        """Convert the records of a page to the types of the schema.

        Return a pair of replication key value and converted record for each.
        """
        return [
            self._complete(record, quick)
            for record, quick in zip(records, self._convert_fast(records), strict=True)
        ]

    def _convert_fast(self, records: Sequence[Record]) -> Sequence[TypedRecord | None]:
        try:
            return msgspec.convert(records, self._structs, strict=False)
        except msgspec.ValidationError:
            return [self._convert_one_fast(record) for record in records]

    def _convert_one_fast(self, record: Record) -> TypedRecord | None:
        try:
            return msgspec.convert(record, self._struct, strict=False)
        except msgspec.ValidationError:
            return None

    def _complete(
        self, record: Record, quick: TypedRecord | None
    ) -> tuple[str | None, TypedRecord]:
        if quick is None or not self._is_usual(record, quick):
            return self._read_replication_key(record), self._convert_slowly(record)
        if self._guid and (guid := getattr(quick, self._guid)):
            setattr(quick, self._guid, guid.rstrip())
        if self._is_key_checked:
            time = record.get(self._key)
            return time and f"{time[:_SUFFIX_START]}Z", quick
        return self._read_replication_key(record), quick

    def _is_usual(self, record: Record, quick: TypedRecord) -> bool:
        """Return True if msgspec has converted a record correctly, so that its result can be used.

        That is so if all numbers are readable JSON, and all times are like 2015-02-03T22:36:23Z
        or 2015-02-03T22:36:23+0000. Otherwise the record is converted again by the slower
        `record_reader`.
        """
        for attribute in self._numbers:
            number = getattr(quick, attribute)
            if number is not None and not (
                number.is_finite() and number.adjusted() <= LARGEST_EXPONENT
            ):
                return False
        for name in self._times:
            time = record.get(name)
            # msgspec has read it, but reads other forms, too, such as a number of seconds.
            if time is not None and not (
                time.__class__ is str
                and time[10:11] == "T"
                and time[_SUFFIX_START:] in _UTC_SUFFIXES
            ):
                return False
        return True


def replication_key_reader(replication_key: str) -> Callable[[Record], str | None]:
    """Return a function that reads the replication key value of one of Marketo's records.

    The function returns None if the record has no value that can be read.
    """
    read_value = reader(FieldDescription(replication_key, "", "datetime"))

    def read(record: Record) -> str | None:
        value = record.get(replication_key)
        try:
            return None if value is None else t.cast("str | None", read_value(value))
        except ValueError:
            return None

    return read


def to_dict(typed: TypedRecord) -> Record:
    """Return a typed record as a dict of JSON values and decimals."""
    return t.cast("Record", msgspec.to_builtins(typed, builtin_types=(Decimal,)))


def _struct(attributes: dict[str, str], kinds: dict[str, str]) -> type[msgspec.Struct]:
    """Return a class for msgspec, whose attributes have the types of the fields.

    The JSON of Marketo's records is converted to objects of this class.

    Args:
        attributes: Maps field names in JSON to attribute names of the class.
        kinds: Maps field names in JSON to Marketo's data types.
    """
    return msgspec.defstruct(
        "Record",
        [
            (attribute, _QUICK_TYPES.get(kinds[name], str | None), None)
            for name, attribute in attributes.items()
        ],
        rename={attribute: name for name, attribute in attributes.items()},
        gc=False,
    )
