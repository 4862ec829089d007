"""Encodes and decodes JSON: compact UTF-8 in requests, every digit of numbers kept in responses."""

from __future__ import annotations

import json
import re
import typing as t
from decimal import Decimal
from urllib.parse import quote_plus

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BATCH_RECORDS = 300
MAX_BODY_BYTES = 1_000_000
"""Just under the 1 MB from which on Marketo responds with 413."""

_TO_QUOTE = re.compile(r"[^\w.~,-]+", re.ASCII)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class JsonTooLargeError(ValueError):
    """JSON contains a number or nesting that is too large to decode; the text says which."""


def encode_record(record: Mapping[str, t.Any]) -> bytes:
    """Encode a record as compact UTF-8 JSON; a `Decimal` keeps all its digits."""
    return _ENCODER.encode(record)


def decode_record(body: bytes) -> dict[str, t.Any]:
    """Decode a record that `encode_record` encoded; numbers with a fraction become `Decimal`."""
    return t.cast("dict[str, t.Any]", _DECODER.decode(body))


def decode_response(body: bytes) -> t.Any:
    """Decode the body of a response; numbers with a fraction become `Decimal`.

    Raises:
        JsonTooLargeError: it contains a number or nesting that is too large.
        ValueError: it is not JSON.
    """
    try:
        return _decode_tolerantly(body)
    except json.JSONDecodeError:
        raise
    except (ValueError, ArithmeticError, RecursionError):
        # `Decimal` raises an ArithmeticError for an exponent beyond its range.
        raise JsonTooLargeError("a number or nesting that is too large") from None


def _decode_tolerantly(body: bytes) -> t.Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Marketo may cut a long text within a surrogate pair; msgspec rejects that, json does not.
        text = body.decode("utf-8-sig", errors="replace")
        return _without_lone_surrogates(json.loads(text, parse_float=Decimal))


def _without_lone_surrogates(value: t.Any) -> t.Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(member) for member in value]
    if isinstance(value, dict):
        return {key: _without_lone_surrogates(member) for key, member in value.items()}
    return value


def encode_query(query: Sequence[tuple[str, str]]) -> str:
    """Encode parameters as a query string or form body; commas, which separate values, stay."""
    # `urlencode` is slow: it encodes a text character by character if one of them needs it.
    return "&".join(f"{name}={_TO_QUOTE.sub(_percent_encode, value)}" for name, value in query)


def _percent_encode(found: re.Match[str]) -> str:
    return quote_plus(found[0])


def encode_batch(records: Sequence[bytes], **parameters: str | None) -> bytes:
    """Encode the body of a sync or delete call.

    Args:
        records: each already encoded by `encode_record`.
        **parameters: `action` and `dedupeBy`, or `deleteBy`; None is omitted.
    """
    head = _ENCODER.encode({name: value for name, value in parameters.items() if value is not None})
    return b'%b,"input":[%b]}' % (head[:-1], b",".join(records))


SYNC_ENVELOPE_BYTES = len(encode_batch([], action="createOrUpdate", dedupeBy="dedupeFields"))
"""Maximum size of a batch's body without its records and the commas between them."""
