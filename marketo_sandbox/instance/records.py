"""Conversion between records as the API sends and returns them and rows in the storage."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from marketo_sandbox.instance.describe import ROLE, Field, ObjectType
from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.instance.values import MAX_INTEGER, format_datetime, parse_integer, to_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from marketo_sandbox.instance.storage import Row

BLANK_AFTER_GUID_EVERY = 8
KEY_SEPARATOR = "\x1f"
_MASK = (1 << 64) - 1

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def mix(number: int) -> int:
    """Return a 64-bit hash of a number, for repeatable random-looking values (splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def new_guid(obj: ObjectType, number: int, seed: int) -> str:
    """Return the marketoGUID for a new opportunity or role, generated from its number.

    Greater numbers give greater GUIDs, because the storage inserts ascending GUIDs faster.

    Args:
        obj: the object: opportunity or role.
        number: number of the record.
        seed: random seed of the instance.
    """
    low = mix(seed * 1_000_003 + number * 2 + (obj is ROLE))
    return str(uuid.UUID(int=((0x10000000 + number) << 96) | (0x4A << 68) | (0b10 << 62) | low))


class Keys:
    """Normalize dedupe keys, so that keys that Marketo considers equal become equal strings.

    Args:
        exact: True to compare every character; False to ignore case and trailing blanks, as a
            database with the usual collation does. Adobe does not document which is the case.
    """

    def __init__(self, *, exact: bool) -> None:
        self.fold: Callable[[str], str] = str if exact else _fold

    def of(self, obj: ObjectType, record: Mapping[str, Any]) -> str:
        """Return the normalized dedupe key of a record as one string.

        Raises:
            RecordRefusedError: 1002 if a dedupe field is missing, 1001 or 1003 if it is invalid.
        """
        return KEY_SEPARATOR.join(
            self.fold(str(self._member(obj.by_name[name], record))) for name in obj.dedupe_fields
        )

    def _member(self, field: Field, record: Mapping[str, Any]) -> Any:
        value = to_stored(record.get(field.name), field, 1)
        if value is None:
            raise missing_value(field.name)
        return value


def _fold(key: str) -> str:
    return key.rstrip().casefold()


def missing_value(name: str) -> RecordRefusedError:
    """Return the error 1002, which skips a record without the required field ``name``."""
    return RecordRefusedError("1002", f"Missing value for the required parameter '{name}'")


def parse_lead_id(value: Any) -> int | None:
    """Return a value as an integer if it is a lead id (a positive integer), else None."""
    number = parse_integer(value)
    return number if number is not None and 0 < number <= MAX_INTEGER else None


def fold_guid(guid: str) -> str:
    """Return a GUID in lower case and without blanks around it, so that equal GUIDs compare equal.

    Marketo itself returns some GUIDs with a trailing blank.
    """
    return guid.strip().lower()


def changed_fields(
    obj: ObjectType, record: Mapping[str, Any], keys: Iterable[str], variant: int
) -> dict[str, Any]:
    """Validate the field values of a record, and return them as they are to be stored.

    A value of None clears the field.

    Args:
        obj: the object: opportunity, role or lead.
        record: the record as the client sent it.
        keys: names of the fields that identify the record; they are not returned.
        variant: number of the record; it selects the stored form, such as number or string.

    Raises:
        RecordRefusedError: 1006, 1011, 1001 or 1003 for the first invalid field.
    """
    found = {}
    for name, value in record.items():
        if name in keys:
            continue
        found[name] = to_stored(value, _writable(obj, name), variant)
    return found


def _writable(obj: ObjectType, name: str) -> Field:
    field = obj.by_name.get(name)
    if field is None:
        raise RecordRefusedError("1006", f"Field '{name}' not found")
    if not field.updateable:
        raise RecordRefusedError("1011", f"Field '{name}' not supported")
    return field


def merge_body(body: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    """Return a record's field values after a change, as JSON and without cleared fields.

    Args:
        body: field values before the change.
        changed: new field values; None clears a field.
    """
    after = {**body, **changed}
    return encode({name: value for name, value in after.items() if value is not None}).decode()


def to_result(row: Row, fields: Sequence[str], seq: int) -> dict[str, Any]:
    """Return a stored opportunity or role as the result of a query shows it.

    Fields without a value are left out. Some GUIDs get a trailing blank, as in real responses.

    Args:
        row: the stored row.
        fields: names of the fields to return.
        seq: position of the record in the response.
    """
    body = decode(row.body)
    body["marketoGUID"] = row.guid + " " * (row.id % BLANK_AFTER_GUID_EVERY == 0)
    body["createdAt"] = format_datetime(row.created, row.id)
    body["updatedAt"] = format_datetime(row.updated, row.id)
    record = {"seq": seq}
    for name in fields:
        if name in body:
            record[name] = body[name]
    return record


def to_stored_record(row: Row) -> dict[str, Any]:
    """Return all field values of a stored opportunity or role, dates in seconds since 1970."""
    managed = {"marketoGUID": row.guid, "createdAt": row.created, "updatedAt": row.updated}
    return {**decode(row.body), **managed}


def field_names(obj: ObjectType) -> dict[str, str]:
    """Return the names of an object type's fields as Marketo spells them, by lower-case name.

    A query may spell names in ``fields`` in any case: an example of Adobe requests ``marketoGuid``.
    """
    return {name.lower(): name for name in obj.by_name}
