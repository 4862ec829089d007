"""Decides whether a failed call is repeated, and after how long; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.errors import ConcurrencyLimitError, RateLimitError, Recovery, ThrottledError

if t.TYPE_CHECKING:
    from marketo_opps.errors import MarketoError

MAX_REAUTHENTICATIONS = 2
"""New tokens that one call may ask for: identity can hand back the very token just refused."""


@dataclass(frozen=True, slots=True)
class ExponentialWait:
    """An exponential wait: `first_seconds`, doubled each time, never over `longest_seconds`."""

    first_seconds: float
    longest_seconds: float

    def seconds(self, failures: int, fraction: float) -> float:
        """Return the wait after the given number of failures in a row.

        Args:
            failures: 1 for the first.
            fraction: 0 to 1, drawn at random: half of the wait is jitter, so that the threads
                and processes that failed together do not come back together.
        """
        full = min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds)
        return full * (0.5 + 0.5 * fraction)


# A 606 lasts until enough of the last 20 seconds' calls, ours and others', have grown old.
_RATE_LIMIT = ExponentialWait(first_seconds=8, longest_seconds=20)
_CONCURRENCY_LIMIT = ExponentialWait(first_seconds=1, longest_seconds=8)
_TRANSIENT = ExponentialWait(first_seconds=1, longest_seconds=30)


def delay_seconds(
    error: MarketoError,
    *,
    failures: int,
    seconds_retrying: float,
    max_retry_seconds: float,
    fraction: float,
) -> float | None:
    """Return how long to wait before a call is repeated.

    Args:
        error: what the last attempt ended with.
        failures: attempts that failed so far, that one included.
        seconds_retrying: time since the first of them failed.
        max_retry_seconds: how long a call may go on being retried.
        fraction: 0 to 1, drawn at random.

    Returns:
        Seconds, not fewer than the response asks for, and never past the end of
        `max_retry_seconds`; None where the call is not to be made again.
    """
    if error.recovery is Recovery.REAUTHENTICATE:
        return 0.0 if failures <= MAX_REAUTHENTICATIONS else None
    left = max_retry_seconds - seconds_retrying
    if error.recovery is not Recovery.RETRY or left <= 0:
        return None
    wait = _wait_for(error).seconds(failures, fraction)
    return min(max(wait, error.retry_after_seconds or 0.0), left)


def pauses_all_threads(error: MarketoError) -> bool:
    """Return whether every thread has to wait, not only the one that met the error."""
    return isinstance(error, RateLimitError | ConcurrencyLimitError | ThrottledError)


def _wait_for(error: MarketoError) -> ExponentialWait:
    if isinstance(error, RateLimitError | ThrottledError):
        return _RATE_LIMIT
    if isinstance(error, ConcurrencyLimitError):
        return _CONCURRENCY_LIMIT
    return _TRANSIENT
