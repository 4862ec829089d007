"""Decides whether a failed call is retried, and after how long; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.errors import ConcurrencyLimitError, RateLimitError, Recovery, ThrottledError

if t.TYPE_CHECKING:
    from marketo_opps.errors import MarketoError

MAX_REAUTHENTICATIONS = 2
"""Maximum number of new tokens for one call: identity may issue the refused token again."""


@dataclass(frozen=True, slots=True)
class ExponentialWait:
    """Exponential backoff: `first_seconds`, doubled after each failure, up to `longest_seconds`."""

    first_seconds: float
    longest_seconds: float

    def seconds(self, failures: int, fraction: float) -> float:
        """Return how many seconds to wait before a retry, after a number of consecutive failures.

        Args:
            failures: number of failed attempts in a row, at least 1.
            fraction: random number from 0 to 1. Half of the wait is jitter, so that threads and
                processes that failed at the same time do not retry at the same time.
        """
        full = min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds)
        return full * (0.5 + 0.5 * fraction)


# The rate limit applies until enough calls, also of other clients, are over 20 seconds old.
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
    """Return how many seconds to wait before a call is retried; None for no retry.

    Args:
        error: the error of the last attempt.
        failures: number of failed attempts, including the last one.
        seconds_retrying: seconds since the first failed attempt of this call.
        max_retry_seconds: maximum time to keep retrying one call.
        fraction: random number from 0 to 1.

    Returns:
        Seconds, at least as many as the response asks for, but not past the end of
        `max_retry_seconds`; None if the call must not be retried.
    """
    if error.recovery is Recovery.REAUTHENTICATE:
        return 0.0 if failures <= MAX_REAUTHENTICATIONS else None
    left = max_retry_seconds - seconds_retrying
    if error.recovery is not Recovery.RETRY or left <= 0:
        return None
    wait = _wait_for(error).seconds(failures, fraction)
    return min(max(wait, error.retry_after_seconds or 0.0), left)


def pauses_all_threads(error: MarketoError) -> bool:
    """Return whether the error of a call makes all threads of the client wait, not only its own."""
    return isinstance(error, RateLimitError | ConcurrencyLimitError | ThrottledError)


def _wait_for(error: MarketoError) -> ExponentialWait:
    if isinstance(error, RateLimitError | ThrottledError):
        return _RATE_LIMIT
    if isinstance(error, ConcurrencyLimitError):
        return _CONCURRENCY_LIMIT
    return _TRANSIENT
