"""One deadline for an attempt, whatever it waits for.

A timeout of a socket counts anew with every byte: a header that drips in, a proxy that takes its
time, or one `100 Continue` after the other would hold a call for ever. So connections tell which
attempt they serve, and a thread ends those of attempts that are overdue.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import typing as t

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# What is overdue may not have a socket yet, or another one soon.
_SECONDS_BETWEEN_ENDINGS = 0.2

_CURRENT = threading.local()


class Attempt:
    """One attempt to send a request and to read its response.

    Attributes:
        is_overdue: its deadline has passed, and its connection was ended.
        connected: whether it has a connection all the way to the host; None if nobody told.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.is_overdue = False
        self.connected: bool | None = None
        self._connection: HTTPConnection | None = None
        self._socket: t.Any = None

    def note(self, connection: HTTPConnection, *, connected: bool) -> None:
        """Remember what serves it now; a response may outlive its connection, not its socket."""
        self._connection, self.connected = connection, connected
        self._socket = connection.sock or self._socket

    def end(self) -> None:
        """Have whatever it waits for end at once, as if the other side had hung up."""
        self.is_overdue = True
        current = self._connection.sock if self._connection else None
        carrier = current or self._socket
        # A handshake on a socket that cannot write would leave it open: while there is no
        # connection yet, what is waited for is always the other side's turn.
        direction = socket.SHUT_RD if self.connected is False else socket.SHUT_RDWR
        if carrier is not None:
            with contextlib.suppress(OSError):
                # Not TLS's own, which would hand out what it has not decrypted yet.
                socket.socket.shutdown(getattr(carrier, "socket", carrier), direction)


class Watchdog:
    """Ends the attempts that are overdue; its thread starts with the first attempt."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._attempts: set[Attempt] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf
        self._closed = False

    @contextlib.contextmanager
    def attempt(self, seconds: float) -> Iterator[Attempt]:
        """Watch over what this thread does within, for so many seconds."""
        attempt = Attempt(time.monotonic() + seconds)
        self._add(attempt)
        _CURRENT.attempt = attempt
        try:
            yield attempt
        finally:
            _CURRENT.attempt = None
            with self._condition:
                self._attempts.discard(attempt)

    def close(self) -> None:
        """Watch no more."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _add(self, attempt: Attempt) -> None:
        with self._condition:
            self._attempts.add(attempt)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")
                self._thread.start()
            # Mostly it wakes sooner anyhow, for an attempt that is over by then: waking it anew
            # for every call would cost more than all else here.
            elif attempt.deadline < self._wakes_at:
                self._condition.notify()

    def _watch(self) -> None:
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                overdue = [each for each in self._attempts if each.deadline <= now]
                for attempt in overdue:
                    attempt.end()
                deadlines = [each.deadline for each in self._attempts]
                first = now + _SECONDS_BETWEEN_ENDINGS if overdue else min(deadlines, default=None)
                self._wakes_at = math.inf if first is None else first
                self._condition.wait(None if first is None else first - now)


def _note(connection: HTTPConnection, *, connected: bool) -> None:
    attempt: Attempt | None = getattr(_CURRENT, "attempt", None)
    if attempt is not None:
        attempt.note(connection, connected=connected)


class _Watched(HTTPConnection):
    """A connection that tells which attempt it serves."""

    def connect(self) -> None:
        """Connect, through a proxy and by TLS where that is called for."""
        _note(self, connected=False)
        super().connect()
        _note(self, connected=True)

    def request(self, *args: t.Any, **options: t.Any) -> None:
        """Send a request."""
        _note(self, connected=self.sock is not None)
        super().request(*args, **options)
        _note(self, connected=True)


class _WatchedSecurely(_Watched, HTTPSConnection):
    """The same by TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecurely


_POOLS = {"http": _Pool, "https": _SecurePool}


class WatchedAdapter(HTTPAdapter):
    """Makes connections that a `Watchdog` can end, with a proxy or without."""

    def init_poolmanager(self, *args: t.Any, **options: t.Any) -> None:
        """Make the manager of connections without a proxy."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: t.Any, **options: t.Any) -> t.Any:
        """Return the manager of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
