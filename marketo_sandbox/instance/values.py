"""Validation of field values by data type, and conversion to the form that is stored.

Marketo validates the values that it stores but formats them inconsistently: a currency may come
back as a string, a datetime may end in ``+0000``. The sandbox chooses the form when it stores a
value.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.errors import RecordRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from marketo_sandbox.instance.describe import Field

    Reader = Callable[[Any, Field, int], Any]

MAX_TEXT_BYTES = 30_000
MAX_INTEGER = 2**63 - 1
MAX_NUMBER_DIGITS = 38
# A float cannot distinguish smaller numbers from zero.
MAX_NUMBER_PLACES = 324
# A float in JSON keeps 15 digits reliably; longer numbers are returned as strings only.
SAFE_DIGITS = 15
AS_NUMBER_EVERY = 3
AS_STRING_EVERY = 5
WITH_OFFSET_EVERY = 4

_INTEGER = re.compile(r"[+-]?\d{1,19}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:[.,]\d{1,9})?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)


def _mismatch(value: Any, field: Field) -> RecordRefusedError:
    return RecordRefusedError(
        "1001", f"Invalid value '{value}'. Required of type '{field.data_type}'"
    )


def _out_of_range(field: Field) -> RecordRefusedError:
    return RecordRefusedError("1003", f"Invalid data: '{field.name}' is out of range")


def _string(value: Any, field: Field, _variant: int) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, field)
    if field.length is not None and len(value) > field.length:
        raise RecordRefusedError(
            "1003", f"Invalid data: '{field.name}' is longer than {field.length} characters"
        )
    return value


def _text(value: Any, field: Field, _variant: int) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, field)
    if len(value.encode()) > MAX_TEXT_BYTES:
        raise RecordRefusedError(
            "1003", f"Invalid data: '{field.name}' is longer than {MAX_TEXT_BYTES} bytes"
        )
    return value


def _integer(value: Any, field: Field, variant: int) -> int | str:
    number = parse_integer(value)
    if number is None:
        raise _mismatch(value, field)
    if abs(number) > MAX_INTEGER:
        raise _out_of_range(field)
    return str(number) if variant % AS_STRING_EVERY == 0 else number


def parse_integer(value: Any) -> int | None:
    """Return a value as an integer if it is an integer or a string of digits, else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def _number(value: Any, field: Field, variant: int) -> float | str:
    number = _decimal(value)
    if number is None or not number.is_finite():
        raise _mismatch(value, field)
    if not -MAX_NUMBER_PLACES <= number.adjusted() <= MAX_NUMBER_DIGITS:
        raise _out_of_range(field)
    if variant % AS_NUMBER_EVERY == 0 and len(number.as_tuple().digits) <= SAFE_DIGITS:
        return float(number)
    return format(number, "f")


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None


def _boolean(value: Any, field: Field, _variant: int) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _mismatch(value, field)


def _date(value: Any, field: Field, _variant: int) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise _mismatch(value, field)


def _datetime(value: Any, field: Field, variant: int) -> str:
    moment = parse_datetime(value) if isinstance(value, str) else None
    if moment is None:
        raise _mismatch(value, field)
    return format_datetime(int(moment.timestamp()), variant)


def parse_datetime(value: str) -> datetime | None:
    """Parse an ISO 8601 date or datetime, and return it in UTC; return None if it is invalid.

    A datetime without an offset is taken as UTC.
    """
    match = _DATETIME.fullmatch(value)
    if match is None:
        return None
    day, minute, second, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}")
        # An offset can lead out of the years 1 to 9999, which raises OverflowError.
        return moment.replace(tzinfo=_zone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None) -> tzinfo:
    if offset in {None, "Z"}:
        return UTC
    return datetime.strptime(str(offset), "%z").tzinfo or UTC


def format_datetime(seconds: int, variant: int = 1) -> str:
    """Return a time as ISO 8601 text, as Marketo formats times in records.

    Args:
        seconds: seconds since 1970.
        variant: number of the record; each fourth record has ``+0000`` instead of ``Z``.
    """
    return format_moment(seconds, with_offset=variant % WITH_OFFSET_EVERY == 0)


def format_moment(seconds: int, *, with_offset: bool) -> str:
    """Return a time as ISO 8601 text in UTC.

    Args:
        seconds: seconds since 1970.
        with_offset: True to end the text with ``+0000``, False to end it with ``Z``.
    """
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + ("+0000" if with_offset else "Z")


_READERS: dict[str, Reader] = {
    "text": _text,
    "integer": _integer,
    "score": _integer,
    "percent": _integer,
    "float": _number,
    "currency": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}


def to_stored(value: Any, field: Field, variant: int) -> Any:
    """Validate a field value, and return it as it is stored; return None to clear the field.

    Args:
        value: the value as the client sent it.
        field: the field of the value.
        variant: number of the record; it selects the stored form, such as number or string.

    Raises:
        RecordRefusedError: 1001 for a wrong type, 1003 for a value too long or out of range.
    """
    if value is None or value == "":
        return None
    reader: Reader = _READERS.get(field.data_type, _string)
    return reader(value, field, variant)
