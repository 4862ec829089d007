"""JSON of whatever arrives, both ways: digit for digit, and with what other taps emit besides."""

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
    """JSON of whatever arrived, digit for digit; a lone surrogate stays an escape."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _escaped(value).encode("ascii")


def _escaped(value: t.Any) -> str:
    """JSON in ASCII, in which a lone surrogate is an escape like any other."""
    if isinstance(value, dict):
        members = (f"{json.dumps(str(key))}:{_escaped(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_escaped(member) for member in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=str)


def decode(line: bytes) -> t.Any:
    """What a line of JSON says; numbers with a fraction come as `Decimal`.

    What msgspec refuses and other taps emit is taken too: lone surrogates, and NaN as text.

    Raises:
        ValueError: it is no JSON; the error tells where, and nothing of the line.
    """
    try:
        return decode_fast(line)
    except NOT_FAST:
        return _decode_leniently(line)


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
    """What a line that begins as a message and does not end as one most likely is."""
    if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
        return ": it is cut short, as by a tap that died"
    return ""
