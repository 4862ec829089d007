"""Check and encode, in C, records that need no conversion.

Most records are typed already, those of the tap above all: for them, checking a whole record by a
`msgspec.Struct` takes a fraction of the time that a function for each field does. A record that
does not pass may still be valid: it is mapped field by field, which converts values and gives the
reasons for a rejection.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from marketo_opps import encode_record
from marketo_opps.fields import json_schema

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import FieldDescription, Record

# Long text is limited in bytes, of which a character has four at the most.
_SAFE_TEXT_CHARACTERS = 7_500
_SAFE_INTEGER = 2**53
# 29 February is left to the mapping by field, as is every other form of a date.
_DATE = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_FORMATS = {"date": rf"\A(?!0000){_DATE}\Z", "date-time": rf"\A(?!0000){_DATE}{_TIME}\Z"}
_Integer = t.Annotated[int, Meta(ge=-_SAFE_INTEGER, le=_SAFE_INTEGER)]
_TYPES: dict[str, t.Any] = {
    "integer": _Integer,
    "number": _Integer | Decimal,
    "boolean": bool,
}


def typed_encoder(
    fields: Iterable[FieldDescription],
    *,
    required: frozenset[str],
    never_null: frozenset[str],
    skip_nulls: bool,
) -> Callable[[Record], bytes]:
    """Return a function that encodes a record of which no value has to be converted.

    Args:
        fields: those that are written; other members of a record are left out.
        required: names of fields that must be there, and not null.
        never_null: names of fields that must not be null.
        skip_nulls: leave nulls out instead of sending them.

    Returns:
        A function from a record to its bytes; it raises `msgspec.ValidationError` for a record
        that has to be mapped field by field.
    """
    default = None if skip_nulls else UNSET
    members: list[t.Any] = []
    names = {f"f{number}": field for number, field in enumerate(fields)}
    for member, field in names.items():
        kind = _type(field)
        if field.name in required:
            members.append((member, kind))
        elif field.name in never_null and not skip_nulls:
            members.append((member, kind | UnsetType, UNSET))
        else:
            members.append((member, kind | None | UnsetType, default))
    struct = msgspec.defstruct(
        "Typed",
        members,
        kw_only=True,
        omit_defaults=True,
        rename={member: field.name for member, field in names.items()},
        gc=False,
    )
    convert, builtin_types = msgspec.convert, (Decimal,)

    def encode(record: Record) -> bytes:
        return encode_record(convert(record, struct, builtin_types=builtin_types))

    return encode


def _type(field: FieldDescription) -> t.Any:
    """Return the type of values that need no conversion; an empty string, meaning null, does."""
    schema = json_schema(field)
    kind = _TYPES.get(schema["type"][0])
    if kind is not None:
        return kind
    if "format" in schema:
        return t.Annotated[str, Meta(pattern=_FORMATS[schema["format"]])]
    length = field.length or _SAFE_TEXT_CHARACTERS
    return t.Annotated[str, Meta(min_length=1, max_length=length)]
