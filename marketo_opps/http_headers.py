"""Reads dates and waits from the headers of a response; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?", re.ASCII)


def moment(value: str | None) -> datetime | None:
    """Return the time, in UTC, that a header such as `Date` has; None if it cannot be read."""
    try:
        parsed = parsedate_to_datetime(value or "")
        # `-0000` means UTC, with the sender's time zone unknown; parsed without a time zone.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks to wait; None if it cannot be read.

    Args:
        value: the header: a number of seconds, or a date.
        now: the current time by the clock of the server that sent it.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = moment(text)
    return max((until - now).total_seconds(), 0.0) if until else None
