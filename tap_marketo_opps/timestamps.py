"""UTC timestamps as strings like `2015-02-03T22:36:23Z`, which sort in the order of time."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_FIRST = "0001-01-01T00:00:00Z"
_LAST = "9999-12-31T23:59:59Z"


def to_iso_utc(time: datetime) -> str:
    """Return the timestamp of an aware datetime, rounded down to the second.

    Raises:
        ValueError: In UTC the time is before the year 1 or after the year 9999.
    """
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is outside the range of dates") from None
    # strftime does not pad years below 1000, so its strings would not sort in the order of time.
    return utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def from_iso_utc(text: str) -> datetime:
    """Return the datetime of a timestamp that `to_iso_utc` returned."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def normalize_iso(text: str) -> str:
    """Return the timestamp of an ISO 8601 string; a time without an offset is read as UTC.

    Raises:
        ValueError: The string is not ISO 8601, or its time is out of range.
    """
    time = datetime.fromisoformat(text)
    return to_iso_utc(time if time.tzinfo else time.replace(tzinfo=UTC))


def minus_seconds(text: str, seconds: int) -> str:
    """Return the timestamp that is so many seconds before another, or the smallest possible one."""
    try:
        return to_iso_utc(from_iso_utc(text) - timedelta(seconds=seconds))
    except OverflowError:
        return _FIRST


def max_or_none(*timestamps: str | None) -> str | None:
    """Return the latest of the timestamps that are not None; None if there are none."""
    return max(filter(None, timestamps), default=None)


def plus_seconds(text: str, seconds: int) -> str:
    """Return the timestamp that is so many seconds after another, or the greatest possible one."""
    try:
        return to_iso_utc(from_iso_utc(text) + timedelta(seconds=seconds))
    except OverflowError:
        return _LAST


def is_timestamp(value: object) -> t.TypeGuard[str]:
    """Return True if a value is a timestamp in exactly the form that `to_iso_utc` returns."""
    try:
        return isinstance(value, str) and normalize_iso(value) == value
    except ValueError:
        return False
