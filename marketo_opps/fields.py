"""What describe says of a field, as JSON Schema and as conversions both ways; pure.

Marketo's values are loosely typed (`"amount": "1604.47"`), Singer's come in the many forms that
taps emit. A *reader* takes a value of Marketo's to the type that the schema promises, a *writer*
takes a value of Singer's to what Marketo stores.
"""

from __future__ import annotations

import json
import re
import typing as t
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from marketo_opps.models import Reason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps.models import FieldDescription, ObjectDescription, Record

MARKETO_GUID = "marketoGUID"
EXTERNAL_ID = "externalOpportunityId"
CREATED_AT = "createdAt"
UPDATED_AT = "updatedAt"

Reader = t.Callable[[t.Any], t.Any]
Writer = t.Callable[[t.Any], t.Any]

# describe gives long text no length; Adobe's page of data types does.
_TEXT_MAX_BYTES = 30_000
_INTEGER_LIMIT = 2**63
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

_WRONG_TYPE = "1001"
_INVALID_DATA = "1003"


class FieldValueError(ValueError):
    """A value that its field cannot take, with a reason of the form that Marketo gives."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


# JSON Schema


def object_schema(
    description: ObjectDescription,
    field_names: Sequence[str] | None = None,
) -> dict[str, t.Any]:
    """The JSON Schema of an object's records.

    Args:
        description: what describe told.
        field_names: only these, in this order; default all.

    Returns:
        An object schema; every property but the id may be null.
    """
    names = field_names or description.field_names
    fields = {field.name: field for field in description.fields}
    properties = {name: json_schema(fields[name]) for name in names}
    if description.id_field in properties:
        properties[description.id_field]["type"] = "string"
    return {"type": "object", "properties": properties}


def json_schema(field: FieldDescription) -> dict[str, t.Any]:
    """The JSON Schema of one field's values, null among them; an unknown type is a string.

    No `format` is promised for email, phone and url: Marketo does not check what is typed there,
    and a loader that does would refuse the record.
    """
    kind = _kind(field)
    schema: dict[str, t.Any] = {"type": [kind.json_type, "null"]}
    if kind.format:
        schema["format"] = kind.format
    if field.length and kind.json_type == "string" and not kind.format:
        schema["maxLength"] = field.length
    if field.display_name:
        schema["description"] = field.display_name
    return schema


def is_known_type(data_type: str) -> bool:
    """Whether describe's `dataType` is one that Adobe documents."""
    return data_type in _KINDS


# Whole records, as read


def record_reader(
    description: ObjectDescription,
    field_names: Sequence[str],
    on_misfit: Callable[[str, str], None],
) -> Callable[[Record], Record]:
    """A function from a record as Marketo sends it to one typed as `object_schema` says.

    Args:
        description: what describe told.
        field_names: the fields that were asked for, in the order of the result.
        on_misfit: told field and GUID of every value that does not fit its type.

    Returns:
        A function; in its result an absent field is null, and so is a value that does not fit.
    """
    fields = {field.name: field for field in description.fields}
    plan = {name: (_class_as_is(fields[name]), reader(fields[name])) for name in field_names}
    nulls: Record = dict.fromkeys(field_names)

    def read(record: Record) -> Record:
        typed = nulls.copy()
        for name, value in record.items():
            if value is None or name not in plan:
                continue
            # Most values fit as they are, and a function's call costs more than all else here.
            as_is, convert = plan[name]
            try:
                typed[name] = value if value.__class__ is as_is else convert(value)
            except ValueError:
                on_misfit(name, str(record.get(MARKETO_GUID, "")).rstrip())
        return typed

    return read


def _class_as_is(field: FieldDescription) -> type | None:
    return None if field.name == MARKETO_GUID else _kind(field).as_is


def reader(field: FieldDescription) -> Reader:
    """A function from any value but null, as Marketo sends it, to a value of the field's type.

    It raises `ValueError` for a value that does not fit; dates come as `2010-05-07`, date-times in
    UTC as `2015-02-03T22:36:23Z`, numbers with a fraction as `Decimal`.
    """
    if field.name == MARKETO_GUID:
        return _read_guid
    return _kind(field).read


# Half of a tap's time would go into these: the form that Marketo documents comes first, and no
# function is called for it that is not C.


def _read_guid(value: t.Any) -> str:
    return str(value).rstrip()


def _read_string(value: t.Any) -> str:
    if isinstance(value, bool | list | dict):
        return json.dumps(value, default=str)
    return str(value)


def _read_integer(value: t.Any) -> int | None:
    return None if _is_blank(value) else _exact_integer(value)


def _read_number(value: t.Any) -> int | Decimal | None:
    if value.__class__ is Decimal:
        return _finite(value)
    if value.__class__ is str and _PLAIN_NUMBER.fullmatch(value):
        return Decimal(value)
    return None if _is_blank(value) else _exact_number(value)


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


def _exact_integer(value: t.Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    number = _exact_number(value)
    # Not by division, which is limited to the digits of the decimal context.
    if isinstance(number, Decimal) and number != number.to_integral_value():
        raise ValueError("it has a fraction")
    return int(number)


def _exact_number(value: t.Any) -> int | Decimal:
    if isinstance(value, bool):
        raise ValueError("it is a boolean")  # noqa: TRY004 - a value that does not fit, as others
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise ValueError("it is no finite number")
        return value
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("it is no number")
    return _finite(value if isinstance(value, Decimal) else _decimal(value))


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite() or number.adjusted() > LARGEST_EXPONENT:
        raise ValueError("it is no finite number")
    return number


def _decimal(value: t.Any) -> Decimal:
    try:
        return Decimal(value.strip() if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise ValueError("it is no number") from None


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _plain_boolean(value: t.Any) -> bool:
    try:
        return _BOOLEANS[str(value).strip().lower()]
    except KeyError:
        raise ValueError("it is neither true nor false") from None


def _iso_date(value: t.Any) -> str:
    """The calendar day as it is written, whatever offset is written with it."""
    text = _text(value)
    if len(text) == _DATE_LENGTH:
        return date.fromisoformat(text).isoformat()
    return datetime.fromisoformat(text).date().isoformat()


def _iso_datetime(value: t.Any) -> str:
    moment = datetime.fromisoformat(_text(value))
    try:
        utc = moment.replace(tzinfo=None) - (moment.utcoffset() or _NO_OFFSET)
    except OverflowError:
        raise ValueError("it lies outside of the calendar") from None
    return utc.isoformat(timespec="seconds") + "Z"


def _text(value: t.Any) -> str:
    if isinstance(value, date):  # or datetime: what a Singer library may have made of the text
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError("it is no text")  # noqa: TRY004 - a value that does not fit, as others
    return value.strip()


# Values, as written


def writer(field: FieldDescription, *, truncate_strings: bool = False) -> Writer:
    """A function from any value but null, as Singer taps emit it, to what Marketo stores.

    Args:
        field: what describe told.
        truncate_strings: cut what is too long instead of refusing it.

    Returns:
        A function that raises `FieldValueError` for a value that the field cannot take. Date-times
        are written in UTC to the second; naive ones are taken for UTC.
    """
    kind = _kind(field)
    if kind.json_type == "string" and not kind.format:
        return _string_writer(field, truncate_strings=truncate_strings)
    read = kind.read

    def write(value: t.Any) -> t.Any:
        try:
            written = read(value)
        except (ValueError, TypeError):
            raise _wrong_type(field, kind) from None
        if kind.json_type == "integer" and written is not None:
            _check_integer_range(field, written)
        return written

    return write


def _check_integer_range(field: FieldDescription, value: int) -> None:
    if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise FieldValueError(_INVALID_DATA, f"Field '{field.name}' is an integer beyond 64 bits")


def _wrong_type(field: FieldDescription, kind: _Kind) -> FieldValueError:
    return FieldValueError(_WRONG_TYPE, f"Field '{field.name}' is not {kind.article}")


def _string_writer(field: FieldDescription, *, truncate_strings: bool) -> Writer:
    most_characters = field.length
    most_bytes = None if field.length else _TEXT_MAX_BYTES

    def write(value: t.Any) -> str:
        text = _written_text(field, value)
        if most_characters and len(text) > most_characters:
            if not truncate_strings:
                raise _too_long(field, f"{most_characters} characters")
            return text[:most_characters]
        if most_bytes and len(text.encode()) > most_bytes:
            if not truncate_strings:
                raise _too_long(field, f"{most_bytes} bytes")
            return text.encode()[:most_bytes].decode(errors="ignore")
        return text

    return write


def _written_text(field: FieldDescription, value: t.Any) -> str:
    if value.__class__ is not str:
        if isinstance(value, list | dict):
            raise FieldValueError(_WRONG_TYPE, f"Field '{field.name}' is not a string")
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if not value.isascii():
        _check_encodable(field, value)
    return t.cast("str", value)


def _check_encodable(field: FieldDescription, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldValueError(
            _INVALID_DATA,
            f"Field '{field.name}' holds half of a surrogate pair, which is no character",
        ) from None


def _too_long(field: FieldDescription, most: str) -> FieldValueError:
    return FieldValueError(_INVALID_DATA, f"Field '{field.name}' is longer than {most}")


# Data types


class _Kind(t.NamedTuple):
    """How one of Marketo's data types looks in JSON."""

    json_type: str
    read: Reader
    article: str
    format: str | None = None
    as_is: type | None = None
    """Values of this class are what they should be."""


_STRING = _Kind("string", _read_string, "a string", as_is=str)
_WHOLE = _Kind("integer", _read_integer, "a whole number", as_is=int)
_DECIMAL = _Kind("number", _read_number, "a number")
_KINDS = {
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
    "boolean": _Kind("boolean", _read_boolean, "a boolean", as_is=bool),
    "date": _Kind("string", _read_date, "a date", "date"),
    "datetime": _Kind("string", _read_datetime, "a date and time", "date-time"),
}


def _kind(field: FieldDescription) -> _Kind:
    return _KINDS.get(field.data_type, _STRING)
