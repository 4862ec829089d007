"""Marketo's data types: the JSON Schema type of each, and how its values are read; pure.

Marketo's values are loosely typed (`"amount": "1604.47"`), and Singer taps emit values in many
forms. The same functions read both.
"""

from __future__ import annotations

import json
import re
import typing as t
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

if t.TYPE_CHECKING:
    from marketo_opps.models import FieldDescription


class NumberTooLargeError(ValueError):
    """A value is a finite number, and too large to be read or written."""


Reader = t.Callable[[t.Any], t.Any]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,99}(\.[0-9]+)?")
# Programs that read JSON numbers as floating point would read a larger one as infinite.
LARGEST_EXPONENT = 307
_TOO_LARGE = 10 ** (LARGEST_EXPONENT + 1)
_DATE_MARKS = "2015-02-03"[4::3]
_DATETIME_MARKS = "2015-02-03T22:36:23"[4:19:3]
_UTC_OFFSETS = frozenset({"Z", "+0000", "+00:00"})
_NO_OFFSET = timedelta()
_DATE_LENGTH = len("2015-02-03")


# Converting values takes a large part of a tap's CPU time. So the form that Marketo documents is
# tried first, with functions implemented in C only.


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


# Forms that are both read and written


def whole_number(value: t.Any) -> int:
    """Convert a value in any notation (`12`, `"12"`, `12.0`, `"1.2e1"`) to an integer.

    Raises:
        ValueError: it is not a whole number; digits other than ASCII, and underscores, are not
            accepted.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    number = exact_number(value)
    # Not by division, whose result is rounded to the digits of the decimal context.
    if isinstance(number, Decimal) and number != number.to_integral_value():
        raise ValueError("it has a fraction")
    return int(number)


def exact_number(value: t.Any) -> int | Decimal:
    """Convert a number or a text in any notation to a finite number, keeping all its digits.

    Raises:
        NumberTooLargeError: it has over 308 digits before the decimal point.
        ValueError: it is not a finite number; digits other than ASCII, and underscores, are not
            accepted.
    """
    if isinstance(value, bool):
        raise ValueError("it is a boolean")  # noqa: TRY004 - callers catch ValueError
    if isinstance(value, list | dict):
        raise ValueError("it is not a number")  # noqa: TRY004 - callers catch ValueError
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise NumberTooLargeError("it is a number that is too large")
        return value
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("it is not a number")
    return _finite(value if isinstance(value, Decimal) else _decimal(value))


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError("it is not a finite number")
    if number.adjusted() > LARGEST_EXPONENT:
        raise NumberTooLargeError("it is a number that is too large")
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
    """Convert the numbers 1 and 0 to booleans, because a table may have booleans as 1.0 and 0.0.

    Raises:
        ValueError: it is another number, or no number.
    """
    if not isinstance(value, list | dict) and (number := exact_number(value)) in {0, 1}:
        return number == 1
    raise ValueError("it is not a boolean")


def _iso_date(value: t.Any) -> str:
    """Return the date in a text with a date or date-time; a UTC offset is ignored."""
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
    if isinstance(value, date):  # or datetime: a Singer library may have parsed the text
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError("it is not a string")  # noqa: TRY004 - callers catch ValueError
    return value.strip()


# Data types


class FieldType(t.NamedTuple):
    """How the values of one of Marketo's data types (`dataType`) are described and read.

    Attributes:
        json_type: the type in JSON Schema.
        read: converts a non-null value to that type; returns None if it is blank.
        article: the type in words, with an article, for error texts.
        format: the `format` in JSON Schema; None for most types.
        as_is: Python class whose values need no conversion; None if there is no such class.
    """

    json_type: str
    read: Reader
    article: str
    format: str | None = None
    as_is: type | None = None


_STRING = FieldType("string", _read_string, "a string", as_is=str)
_WHOLE = FieldType("integer", _read_integer, "a whole number", as_is=int)
_DECIMAL = FieldType("number", _read_number, "a number")
_TRUTH = FieldType("boolean", _read_boolean, "a boolean", as_is=bool)
_MOMENT = FieldType("string", _read_datetime, "a date and time", "date-time")
# Other names of these types, also in responses of similar endpoints of Marketo.
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
    """Return the data type of a field; a `dataType` that is not known counts as a string."""
    return _FIELD_TYPES.get(_normalized(field.data_type), _STRING)


def is_known_type(data_type: str) -> bool:
    """Return whether a `dataType` of describe is documented by Adobe, or a common alias of one."""
    return _normalized(data_type) in _FIELD_TYPES


def _normalized(data_type: str) -> str:
    """Return the name of a data type in lower case, because Marketo's responses differ in case."""
    return data_type.strip().casefold()
