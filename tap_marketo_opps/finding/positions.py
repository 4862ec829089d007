"""What a position must be to be gone on from: it may have been edited, or cut off; pure."""

from __future__ import annotations

import typing as t

from tap_marketo_opps.finding.pending_keys import are_encoded_keys
from tap_marketo_opps.moments import is_moment

if t.TYPE_CHECKING:
    from tap_marketo_opps.finding.resume_point import Position


class PositionError(ValueError):
    """A position is none of the stage that is to go on from it."""


def is_place_in_scan(at: Position, end: int) -> bool:
    """Return True for a place among keys; past their end nothing would be read.

    Args:
        at: A position.
        end: Where a chunk after the last one would begin.
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
    """Return True for a place in the activity log; past its end nothing would be read.

    Args:
        at: A position.
        end: The last moment that is to be read.
    """
    reached = at.get("reached")
    is_place = "token" in at and _is_token(at["token"]) and is_moment(reached) and reached <= end
    return is_place and are_encoded_keys(at.get("keys"))


def is_place_in_list(at: Position) -> bool:
    """Return True for a place in a list of leads in Marketo, whatever its length."""
    is_place = "token" in at and _is_token(at["token"]) and _is_count(at.get("done"))
    return is_place and are_encoded_keys(at.get("keys"))


def _is_half_read(chunk: t.Any, end: int) -> bool:
    """Return True for a chunk's beginning, which lies before the end, and its page token."""
    match chunk:
        case [start, token]:
            return _is_count(start) and start < end and _is_token(token)
    return False


def _is_count(value: t.Any) -> bool:
    return value.__class__ is int and value >= 0


def _is_token(value: t.Any) -> bool:
    """Return True for a page token that can be asked for, and for none."""
    return value is None or (isinstance(value, str) and bool(value) and _is_text(value))


def _is_text(value: str) -> bool:
    """Return False for text that JSON can hold and UTF-8 cannot: half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
