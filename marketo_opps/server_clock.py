"""Marketo's clock, from the `Date` headers of its responses."""

from __future__ import annotations

import logging
import threading
import typing as t
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

if t.TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

_SUSPICIOUS = timedelta(days=1)


def local_now() -> datetime:
    """Return the current time by this machine's clock."""
    return datetime.now(UTC)


class ServerClock:
    """Current time by Marketo's clock, from the `Date` headers of its responses; thread-safe.

    Between responses, the time is continued by this machine's monotonic clock.

    Args:
        clock: returns monotonic seconds.
        local_now: returns the current time by this machine's clock, used until a response has a
            `Date`.
    """

    def __init__(
        self, clock: Callable[[], float], local_now: Callable[[], datetime] = local_now
    ) -> None:
        self._clock = clock
        self._local_now = local_now
        self._lock = threading.Lock()
        # Marketo's time at which the monotonic clock was 0, by the latest and earliest `Date`.
        self._latest: datetime | None = None
        self._earliest: datetime | None = None
        self._warned = False

    @property
    def is_known(self) -> bool:
        """Return whether Marketo's time is known, that is, a response with a `Date` has arrived."""
        return self._latest is not None

    def sync(self, date: datetime | None, status: int) -> None:
        """Set Marketo's time by the `Date` header of a response that has just arrived.

        Once the clock is known, responses with an error are ignored: they may come from a load
        balancer or proxy with a clock of its own.

        Args:
            date: value of the header; None if there is none.
            status: HTTP status of the response.
        """
        if date is None or (self.is_known and status != HTTPStatus.OK):
            return
        zero = date - timedelta(seconds=self._clock())
        with self._lock:
            self._latest = zero
            self._earliest = min(self._earliest or zero, zero)
        self._warn_if_suspicious(date)

    def now(self) -> datetime:
        """Return the current time by Marketo's clock: the last `Date` header and the time since."""
        return self._since(self._latest)

    def earliest_now(self) -> datetime:
        """Return the earliest current time that any `Date` header so far gives.

        A header gives its own time plus the seconds since its response. A `Date` in the future,
        for example of a cache or load balancer, has no effect on the result as soon as another
        response has had the right time.
        """
        return self._since(self._earliest)

    def _since(self, zero: datetime | None) -> datetime:
        if zero is None:
            return self._local_now()
        return zero + timedelta(seconds=self._clock())

    def _warn_if_suspicious(self, date: datetime) -> None:
        local = self._local_now()
        if self._warned or abs(date - local) <= _SUSPICIOUS:
            return
        self._warned = True
        _LOGGER.warning(
            "Marketo's clock says %s, this machine's clock says %s: one of them is wrong by more "
            "than a day. Bookmarks use Marketo's clock.",
            f"{date:%Y-%m-%dT%H:%M:%SZ}",
            f"{local:%Y-%m-%dT%H:%M:%SZ}",
        )
