"""Decode and encode JSON digit for digit, and as leniently as other taps need."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

import msgspec

decode_fast = msgspec.json.Decoder(float_hook=Decimal).decode
"""Decodes nearly every line; what it refuses, with one of `NOT_FAST`, `decode` may take."""

NOT_FAST = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def encode(value: t.Any) -> bytes:
    """Return JSON, digit for digit; a lone surrogate stays an escape."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _escaped(value).encode("ascii")


def _escaped(value: t.Any) -> str:
    """Return JSON in ASCII, in which a lone surrogate is an escape like any other."""
    if isinstance(value, dict):
        members = (f"{json.dumps(str(key))}:{_escaped(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_escaped(member) for member in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=str)


def decode(line: bytes) -> t.Any:
    """Return the value of a line of JSON; numbers with a fraction become `Decimal`.

    Lone surrogates, and NaN as text, are accepted too: other taps emit what msgspec refuses.

    Raises:
        ValueError: it is not JSON; the message says where, and does not quote the line.
    """
    try:
        return decode_fast(line)
    except NOT_FAST:
        return _decode_leniently(line)


def source_line(record: bytes) -> bytes:
    """Return a record, which came alone on its line, as a line that `source_record` takes."""
    return b'{"record":%b}' % record


def source_record(line: bytes) -> dict[str, t.Any]:
    """Return the record on a line of the input.

    Records are kept as the bytes they came in, and decoded again where they are needed again: that
    takes a fraction of the memory that a decoded record does.
    """
    return t.cast("dict[str, t.Any]", decode(line)["record"])


def _decode_leniently(line: bytes) -> t.Any:
    try:
        return json.loads(line.decode("utf-8"), parse_float=Decimal, parse_constant=str)
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        where = f"it is not JSON at column {error.colno} ({error.msg})"
        raise ValueError(where + _hint(line)) from None
    except (ValueError, RecursionError):
        raise ValueError("it holds a number or a nesting beyond all measure") from None


def _hint(line: bytes) -> str:
    """Return a hint where a line begins as a message and does not end as one."""
    if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
        return ": it is cut short, as by a tap that died"
    return ""
