"""One deadline for each attempt to call Marketo, whatever the attempt waits for.

The timeout of a socket starts again with every byte, so a header that arrives byte by byte, a slow
proxy, or one `100 Continue` after another could block a call for ever. So connections report which
attempt they serve, and a thread ends the connections of attempts that are overdue.
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
    from collections.abc import Callable, Iterator

# An overdue attempt may have no socket yet, or get another one, so it is ended repeatedly.
_SECONDS_BETWEEN_ENDINGS = 0.2

_CURRENT = threading.local()


class Attempt:
    """One attempt to send a request to Marketo and to read its response.

    Attributes:
        is_overdue: the deadline has passed, and the connection was ended.
        connected: True if there is a connection to the host; None if it is not known yet.
    """

    def __init__(self, deadline: float, on_sent: Callable[[], None] | None = None) -> None:
        self.deadline = deadline
        self.on_sent = on_sent
        self.is_overdue = False
        self.connected: bool | None = None
        self._connection: HTTPConnection | None = None
        self._socket: t.Any = None

    def note(self, connection: HTTPConnection, *, connected: bool) -> None:
        """Remember the connection and socket of this attempt, so that `end` can shut them down.

        The socket is kept because a response may still be read from it after its connection is
        closed.
        """
        self._connection, self.connected = connection, connected
        self._socket = connection.sock or self._socket

    def end(self) -> None:
        """Shut down the socket of this overdue attempt, so that its thread stops waiting for it."""
        self.is_overdue = True
        current = self._connection.sock if self._connection else None
        carrier = current or self._socket
        # During a TLS handshake only reading is shut down: a handshake that cannot write would
        # leave the socket open, and at that stage the wait is always for the other side.
        direction = socket.SHUT_RD if self.connected is False else socket.SHUT_RDWR
        if carrier is not None:
            with contextlib.suppress(OSError):
                # Not the TLS socket's own `shutdown`, which would return undecrypted data.
                socket.socket.shutdown(getattr(carrier, "socket", carrier), direction)


class Watchdog:
    """Thread that ends HTTP requests whose deadline has passed, by shutting down their sockets."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._attempts: set[Attempt] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf
        self._closed = False

    @contextlib.contextmanager
    def attempt(
        self, seconds: float, on_sent: Callable[[], None] | None = None
    ) -> Iterator[Attempt]:
        """Run a `with` block that sends one request; shut down its socket if it takes too long.

        Args:
            seconds: maximum duration of request and response.
            on_sent: called once the whole request has been given to the operating system.
        """
        attempt = Attempt(time.monotonic() + seconds, on_sent)
        self._add(attempt)
        _CURRENT.attempt = attempt
        try:
            yield attempt
        finally:
            _CURRENT.attempt = None
            with self._condition:
                self._attempts.discard(attempt)

    def close(self) -> None:
        """Stop the thread that ends overdue requests."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _add(self, attempt: Attempt) -> None:
        with self._condition:
            self._attempts.add(attempt)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")
                self._thread.start()
            # The thread usually wakes earlier anyway, for an attempt that has ended meanwhile.
            # Waking it for every call would be the most expensive step here.
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


def _note_sent() -> None:
    attempt: Attempt | None = getattr(_CURRENT, "attempt", None)
    if attempt is not None and attempt.on_sent is not None:
        attempt.on_sent()


class _Watched(HTTPConnection):
    """HTTP connection to Marketo that a `Watchdog` can end: it reports to the current `Attempt`."""

    def connect(self) -> None:
        """Connect to the host, by a proxy and TLS if required, and report it to the `Attempt`."""
        _note(self, connected=False)
        super().connect()
        _note(self, connected=True)

    def request(self, *args: t.Any, **options: t.Any) -> None:
        """Send a request, and report to the current `Attempt` that all of it was sent."""
        _note(self, connected=self.sock is not None)
        super().request(*args, **options)
        _note(self, connected=True)
        _note_sent()


class _WatchedSecurely(_Watched, HTTPSConnection):
    """TLS connection to Marketo that a `Watchdog` can end: it reports to the current `Attempt`."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecurely


_POOLS = {"http": _Pool, "https": _SecurePool}


class WatchedAdapter(HTTPAdapter):
    """Transport adapter for `requests` whose connections a `Watchdog` can end."""

    def init_poolmanager(self, *args: t.Any, **options: t.Any) -> None:
        """Create the pool of connections without a proxy; `requests` calls this method."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: t.Any, **options: t.Any) -> t.Any:
        """Return the pool of connections through a proxy; `requests` calls this method."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
