"""Marketo's data types: how each looks in JSON Schema, and how its values are read; pure.

Marketo's values are loosely typed (`"amount": "1604.47"`), Singer's come in the many forms that
taps emit. All of them are read by the same functions.
"""

from __future__ import annotations

import json
import re
import typing as t
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

if t.TYPE_CHECKING:
    from marketo_opps.models import FieldDescription

Reader = t.Callable[[t.Any], t.Any]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,99}(\.[0-9]+)?")
# Whoever reads JSON numbers as floating point would take a larger one for infinite.
LARGEST_EXPONENT = 307
_TOO_LARGE = 10 ** (LARGEST_EXPONENT + 1)
_DATE_MARKS = "2015-02-03"[4::3]
_DATETIME_MARKS = "2015-02-03T22:36:23"[4:19:3]
_UTC_OFFSETS = frozenset({"Z", "+0000", "+00:00"})
_NO_OFFSET = timedelta()
_DATE_LENGTH = len("2015-02-03")


# Half of a tap's time would go into these: the form that Marketo documents comes first, and no
# function is called for it that is not C.


def _read_string(value: t.Any) -> str:
    if isinstance(value, bool | list | dict):
        try:
            return json.dumps(value, default=str)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    return str(value)


def _read_integer(value: t.Any) -> int | None:
    return None if _is_blank(value) else whole_number(value)


def _read_number(value: t.Any) -> int | Decimal | None:
    if value.__class__ is Decimal:
        return _finite(value)
    if value.__class__ is str and _PLAIN_NUMBER.fullmatch(value):
        return Decimal(value)
    return None if _is_blank(value) else exact_number(value)


def _read_boolean(value: t.Any) -> bool | None:
    return None if _is_blank(value) else _plain_boolean(value)


def _read_date(value: t.Any) -> str | None:
    if value.__class__ is str and value[4::3] == _DATE_MARKS:
        date.fromisoformat(value)
        return value
    return None if _is_blank(value) else _iso_date(value)


def _read_datetime(value: t.Any) -> str | None:
    if value.__class__ is str and value[4:19:3] == _DATETIME_MARKS and value[19:] in _UTC_OFFSETS:
        datetime.fromisoformat(value)
        return value[:19] + "Z"
    return None if _is_blank(value) else _iso_datetime(value)


def _is_blank(value: t.Any) -> bool:
    return isinstance(value, str) and not value.strip()


# Forms that reading and writing have in common


def whole_number(value: t.Any) -> int:
    """Return a whole number, however it is spelt: `12`, `"12"`, `12.0`, `"1.2e1"`.

    Raises:
        ValueError: it is none; other digits than ASCII and underscores make none.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    number = exact_number(value)
    # Not by division, which is limited to the digits of the decimal context.
    if isinstance(number, Decimal) and number != number.to_integral_value():
        raise ValueError("it has a fraction")
    return int(number)


def exact_number(value: t.Any) -> int | Decimal:
    """Return a finite number with all its digits, however it is spelt.

    Raises:
        ValueError: it is none; other digits than ASCII and underscores make none.
    """
    if isinstance(value, bool):
        raise ValueError("it is a boolean")  # noqa: TRY004 - a value that does not fit, as others
    if isinstance(value, list | dict):
        raise ValueError("it is not a number")  # noqa: TRY004 - the same
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise ValueError("it is not a finite number")
        return value
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("it is not a number")
    return _finite(value if isinstance(value, Decimal) else _decimal(value))


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite() or number.adjusted() > LARGEST_EXPONENT:
        raise ValueError("it is not a finite number")
    return number


def _decimal(value: t.Any) -> Decimal:
    try:
        return Decimal(value.strip() if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise ValueError("it is not a number") from None


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _plain_boolean(value: t.Any) -> bool:
    try:
        return _BOOLEANS["" if isinstance(value, list | dict) else str(value).strip().lower()]
    except KeyError:
        return _numeric_boolean(value)


def _numeric_boolean(value: t.Any) -> bool:
    """Return 1.0 as true and 0.0 as false: what has gone through a table of numbers looks so."""
    if not isinstance(value, list | dict) and (number := exact_number(value)) in {0, 1}:
        return number == 1
    raise ValueError("it is not a boolean")


def _iso_date(value: t.Any) -> str:
    """Return the calendar day as it is written, whatever offset is written with it."""
    text = _text(value)
    if len(text) == _DATE_LENGTH:
        return date.fromisoformat(text).isoformat()
    return datetime.fromisoformat(text).date().isoformat()


def _iso_datetime(value: t.Any) -> str:
    moment = datetime.fromisoformat(_text(value))
    try:
        utc = moment.replace(tzinfo=None) - (moment.utcoffset() or _NO_OFFSET)
    except OverflowError:
        raise ValueError("it is outside the range of dates") from None
    return utc.isoformat(timespec="seconds") + "Z"


def _text(value: t.Any) -> str:
    if isinstance(value, date):  # or datetime: what a Singer library may have made of the text
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError("it is not a string")  # noqa: TRY004 - a value that does not fit, as others
    return value.strip()


# Data types


class FieldType(t.NamedTuple):
    """One of Marketo's data types: its JSON type, and how values are read."""

    json_type: str
    read: Reader
    article: str
    format: str | None = None
    as_is: type | None = None
    """Values of this class need no reading."""


_STRING = FieldType("string", _read_string, "a string", as_is=str)
_WHOLE = FieldType("integer", _read_integer, "a whole number", as_is=int)
_DECIMAL = FieldType("number", _read_number, "a number")
_TRUTH = FieldType("boolean", _read_boolean, "a boolean", as_is=bool)
_MOMENT = FieldType("string", _read_datetime, "a date and time", "date-time")
# Names that others give to these types, in answers of Marketo's sister endpoints too.
_ALIASES = {
    **dict.fromkeys(("int", "long", "bigint", "biginteger", "smallint", "short"), _WHOLE),
    **dict.fromkeys(("number", "double", "decimal", "bigdecimal", "numeric", "real"), _DECIMAL),
    **dict.fromkeys(("bool",), _TRUTH),
    **dict.fromkeys(("date-time", "date_time", "timestamp"), _MOMENT),
    **dict.fromkeys(("char", "varchar", "textarea", "longtext"), _STRING),
}
_FIELD_TYPES = {
    **_ALIASES,
    "string": _STRING,
    "text": _STRING,
    "email": _STRING,
    "phone": _STRING,
    "url": _STRING,
    "reference": _STRING,
    "integer": _WHOLE,
    "score": _WHOLE,
    "percent": _WHOLE,
    "float": _DECIMAL,
    "currency": _DECIMAL,
    "boolean": _TRUTH,
    "date": FieldType("string", _read_date, "a date", "date"),
    "datetime": _MOMENT,
}


def field_type(field: FieldDescription) -> FieldType:
    """Return a field's type; that of strings for one that nobody knows."""
    return _FIELD_TYPES.get(_normalized(field.data_type), _STRING)


def is_known_type(data_type: str) -> bool:
    """Return whether describe's `dataType` is one that Adobe documents, or a usual name of one."""
    return _normalized(data_type) in _FIELD_TYPES


def _normalized(data_type: str) -> str:
    """Return a data type as it is looked up: recorded answers mix cases."""
    return data_type.strip().casefold()
