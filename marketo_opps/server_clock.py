"""Marketo's clock, as the `Date` of its responses tells it."""

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
    """Return the present by this machine's clock."""
    return datetime.now(UTC)


class ServerClock:
    """Goes on between responses by this machine's monotonic clock; for any number of threads.

    Args:
        clock: monotonic seconds.
        local_now: the present by this machine's clock, which counts where no response has a `Date`.
    """

    def __init__(
        self, clock: Callable[[], float], local_now: Callable[[], datetime] = local_now
    ) -> None:
        self._clock = clock
        self._local_now = local_now
        self._lock = threading.Lock()
        # Each is the moment at which the monotonic clock stood at 0.
        self._latest: datetime | None = None
        self._earliest: datetime | None = None
        self._warned = False

    @property
    def is_known(self) -> bool:
        """True if a response has told it."""
        return self._latest is not None

    def sync(self, told: datetime | None, status: int) -> None:
        """Take a response's `Date`; a balancer's or a proxy's goes by another clock.

        Args:
            told: the `Date`; None if there is none.
            status: of the response.
        """
        if told is None or (self.is_known and status != HTTPStatus.OK):
            return
        zero = told - timedelta(seconds=self._clock())
        with self._lock:
            self._latest = zero
            self._earliest = min(self._earliest or zero, zero)
        self._warn_if_suspicious(told)

    def now(self) -> datetime:
        """Return the present as the last response told it."""
        return self._since(self._latest)

    def earliest_now(self) -> datetime:
        """Return the present as that response told it by whose word it is the earliest.

        A `Date` that lies ahead, of a cache or a balancer, say, has no say here as soon as one
        response has told the right time.
        """
        return self._since(self._earliest)

    def _since(self, zero: datetime | None) -> datetime:
        if zero is None:
            return self._local_now()
        return zero + timedelta(seconds=self._clock())

    def _warn_if_suspicious(self, told: datetime) -> None:
        local = self._local_now()
        if self._warned or abs(told - local) <= _SUSPICIOUS:
            return
        self._warned = True
        _LOGGER.warning(
            "Marketo's clock says %s, this machine's clock says %s: one of them is wrong by more "
            "than a day. Bookmarks use Marketo's clock.",
            f"{told:%Y-%m-%dT%H:%M:%SZ}",
            f"{local:%Y-%m-%dT%H:%M:%SZ}",
        )
