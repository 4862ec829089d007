"""Moments as text of one form, `2015-02-03T22:36:23Z`, so that they compare as they are."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_FIRST = "0001-01-01T00:00:00Z"
_LAST = "9999-12-31T23:59:59Z"


def to_iso_utc(time: datetime) -> str:
    """Return an aware time as text, to the second, rounded down.

    Raises:
        ValueError: In UTC it lies before the year 1, or after 9999.
    """
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is outside the range of dates") from None
    # Not strftime, which does not pad years below 1000: then moments would not compare as text.
    return utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def from_iso_utc(text: str) -> datetime:
    """Return the time that `to_iso_utc` made text of."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def normalize_iso(text: str) -> str:
    """Bring ISO 8601 text to the one form; without an offset it is taken to be in UTC.

    Raises:
        ValueError: It is not ISO 8601, or lies outside of the calendar.
    """
    time = datetime.fromisoformat(text)
    return to_iso_utc(time if time.tzinfo else time.replace(tzinfo=UTC))


def minus_seconds(text: str, seconds: int) -> str:
    """Return the moment so many seconds earlier, or the first one that there is."""
    try:
        return to_iso_utc(from_iso_utc(text) - timedelta(seconds=seconds))
    except OverflowError:
        return _FIRST


def max_or_none(*moments: str | None) -> str | None:
    """Return the last of the moments that are given, or None."""
    return max(filter(None, moments), default=None)


def plus_seconds(text: str, seconds: int) -> str:
    """Return the moment so many seconds later, or the last one that there is."""
    try:
        return to_iso_utc(from_iso_utc(text) + timedelta(seconds=seconds))
    except OverflowError:
        return _LAST


def is_moment(value: object) -> t.TypeGuard[str]:
    """Return True for text of the one form."""
    try:
        return isinstance(value, str) and normalize_iso(value) == value
    except ValueError:
        return False
