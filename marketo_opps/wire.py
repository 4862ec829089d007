"""JSON as it crosses the wire: compact UTF-8 out, every digit of a number kept in."""

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
"""Just under the 1 MB at which Marketo answers 413."""

_TO_QUOTE = re.compile(r"[^\w.~,-]+", re.ASCII)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class BeyondMeasureError(ValueError):
    """JSON with a number or a nesting that no program reads; the text says what it holds."""


def encode_record(record: Mapping[str, t.Any]) -> bytes:
    """Encode a record as compact UTF-8 JSON; a `Decimal` keeps all its digits."""
    return _ENCODER.encode(record)


def decode_record(body: bytes) -> dict[str, t.Any]:
    """Decode what `encode_record` encoded; numbers with a fraction are `Decimal`."""
    return t.cast("dict[str, t.Any]", _DECODER.decode(body))


def decode_response(body: bytes) -> t.Any:
    """Decode the body of a response; numbers with a fraction are `Decimal`.

    Raises:
        BeyondMeasureError: it contains a number or nesting that is too large.
        ValueError: it is not JSON.
    """
    try:
        return _decode_tolerantly(body)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        raise BeyondMeasureError("a number or nesting that is too large") from None


def _decode_tolerantly(body: bytes) -> t.Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A long text cut by Marketo within a surrogate pair is refused by msgspec, not by json.
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
    """Encode a query string or form body; commas, which separate values, stay as they are."""
    # `urlencode` goes through the whole text by the character as soon as one needs encoding.
    return "&".join(f"{name}={_TO_QUOTE.sub(_percent_encode, value)}" for name, value in query)


def _percent_encode(found: re.Match[str]) -> str:
    return quote_plus(found[0])


def encode_batch(records: Sequence[bytes], **parameters: str | None) -> bytes:
    """Encode the body of a sync or delete call.

    Args:
        records: each already encoded by `encode_record`.
        **parameters: `action` and `dedupeBy`, or `deleteBy`; None is left out.
    """
    head = _ENCODER.encode({name: value for name, value in parameters.items() if value is not None})
    return b'%b,"input":[%b]}' % (head[:-1], b",".join(records))


SYNC_ENVELOPE_BYTES = len(encode_batch([], action="createOrUpdate", dedupeBy="dedupeFields"))
"""The most that a batch's body holds besides its records and the commas between them."""
