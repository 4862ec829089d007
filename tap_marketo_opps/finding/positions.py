"""Validation of positions in a state, which may have been edited or truncated; pure."""

from __future__ import annotations

import typing as t

from tap_marketo_opps.finding.pending_keys import are_encoded_keys
from tap_marketo_opps.timestamps import is_timestamp

if t.TYPE_CHECKING:
    from tap_marketo_opps.finding.resume_point import Position


class PositionError(ValueError):
    """Raised when a pipeline stage cannot resume from the position in a state."""


def is_place_in_scan(at: Position, end: int) -> bool:
    """Return True if `KeyScan`, which looks up given keys, can resume from a position.

    Args:
        at: The position.
        end: Position after the last key, beyond which nothing would be read.
    """
    counts, half_read = [at.get(name) for name in ("next", "done", "unmatched")], at.get("open")
    return (
        all(map(_is_count, counts))
        and at["next"] <= end
        and isinstance(half_read, list)
        and all(_is_half_read(each, at["next"]) for each in half_read)
        and len({start for start, _ in half_read}) == len(half_read)
    )


def is_place_in_log(at: Position, end: str) -> bool:
    """Return True if `ActivityLogReader` can resume from a position.

    Args:
        at: The position.
        end: Timestamp of the end of the period to read, beyond which nothing would be read.
    """
    reached = at.get("reached")
    is_place = "token" in at and _is_token(at["token"]) and is_timestamp(reached) and reached <= end
    return is_place and are_encoded_keys(at.get("keys"))


def is_place_in_list(at: Position) -> bool:
    """Return True if `LeadListReader` can resume from a position, in a list of any length."""
    is_place = "token" in at and _is_token(at["token"]) and _is_count(at.get("done"))
    return is_place and are_encoded_keys(at.get("keys"))


def _is_half_read(chunk: t.Any, end: int) -> bool:
    """Return True if a value in a position is valid for a chunk of keys that was read in part.

    A valid value is a pair of the start of the chunk, which must be before `end`, and a page token.
    """
    match chunk:
        case [start, token]:
            return _is_count(start) and start < end and _is_token(token)
    return False


def _is_count(value: t.Any) -> bool:
    return value.__class__ is int and value >= 0


def _is_token(value: t.Any) -> bool:
    """Return True if a value is None, or a string that can be sent to Marketo as a page token."""
    return value is None or (isinstance(value, str) and bool(value) and _is_text(value))


def _is_text(value: str) -> bool:
    """Return True if UTF-8 can encode a string, False if it has an unpaired surrogate."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
