"""Moments in the headers of a response; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?", re.ASCII)


def moment(value: str | None) -> datetime | None:
    """Return the moment that a header such as `Date` holds, in UTC; None if it is none."""
    try:
        parsed = parsedate_to_datetime(value or "")
        # `-0000` says: in UTC, and nothing of where the sender is.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Return the wait that a `Retry-After` asks for; None if it asks for none that can be read.

    Args:
        value: seconds, or a moment.
        now: by the same server's clock.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = moment(text)
    return max((until - now).total_seconds(), 0.0) if until else None
