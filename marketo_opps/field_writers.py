"""Converts Singer values to what Marketo stores, or says why a field rejects them; pure."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from marketo_opps.field_types import NumberTooLargeError, field_type
from marketo_opps.models import Reason
from marketo_opps.numbers import plain_number

if t.TYPE_CHECKING:
    from marketo_opps.field_types import FieldType
    from marketo_opps.models import FieldDescription

Writer = t.Callable[[t.Any], t.Any]

# Adobe documents this limit with the data types; describe gives no length for long text.
_TEXT_MAX_BYTES = 30_000
_INTEGER_LIMIT = 2**63

_WRONG_TYPE = "1001"
_INVALID_DATA = "1003"


class FieldValueError(ValueError):
    """A field cannot store a value; `reason` has a code and message as if from Marketo."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


def writer(field: FieldDescription, *, truncate_strings: bool = False) -> Writer:
    """Return a function that converts non-null Singer values to what Marketo stores in a field.

    Args:
        field: its description from describe.
        truncate_strings: True to truncate strings that are too long instead of rejecting them.

    Returns:
        A function that raises `FieldValueError` if the field cannot store the value. Date-times
        are written in UTC to the second; those without a time zone count as UTC.
    """
    kind = field_type(field)
    if kind.json_type == "string" and not kind.format:
        return _string_writer(field, truncate_strings=truncate_strings)
    read = kind.read

    def write(value: t.Any) -> t.Any:
        try:
            written = read(value)
        except NumberTooLargeError:
            raise _too_large_for(field, kind) from None
        except (ValueError, TypeError):
            raise _wrong_type(field, kind) from None
        if kind.json_type == "integer" and written is not None:
            _check_integer_range(field, written)
        return written

    return write


def _check_integer_range(field: FieldDescription, value: int) -> None:
    if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise _over_64_bits(field)


def _too_large_for(field: FieldDescription, kind: FieldType) -> FieldValueError:
    if kind.json_type == "integer":
        return _over_64_bits(field)
    # Of the other types, only numbers have a largest value.
    return _too_large(field) if kind.json_type == "number" else _wrong_type(field, kind)


def _over_64_bits(field: FieldDescription) -> FieldValueError:
    return FieldValueError(_INVALID_DATA, f"Field '{field.name}' is an integer beyond 64 bits")


def _too_large(field: FieldDescription) -> FieldValueError:
    return FieldValueError(_INVALID_DATA, f"Field '{field.name}' is a number that is too large")


def _wrong_type(field: FieldDescription, kind: FieldType) -> FieldValueError:
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
        value = _unquoted_text(field, value)
    if not value.isascii():
        _check_encodable(field, value)
    return t.cast("str", value)


def _unquoted_text(field: FieldDescription, value: t.Any) -> str:
    """Convert a boolean or a number to the text that a string field stores."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return plain_number(value) if isinstance(value, float | Decimal) else str(value)
    except ValueError:
        raise _too_large(field) from None


def _check_encodable(field: FieldDescription, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldValueError(
            _INVALID_DATA,
            f"Field '{field.name}' contains half of a surrogate pair, which is not a valid "
            "character",
        ) from None


def _too_long(field: FieldDescription, most: str) -> FieldValueError:
    return FieldValueError(_INVALID_DATA, f"Field '{field.name}' is longer than {most}")
