"""The sandbox server: it serves an instance over HTTP on the loopback interface, in a thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.server.api import Api
from marketo_sandbox.server.control import OTHER_USER
from marketo_sandbox.server.control_parameters import JOURNAL
from marketo_sandbox.server.control_routes import control_routes, fallback_routes
from marketo_sandbox.server.http_call import TRANSPORT
from marketo_sandbox.server.validation import validate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from types import TracebackType

    from marketo_sandbox.options import SandboxOptions
    from marketo_sandbox.server.faults import FaultRule

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 10.0
# Maximum time that a stopping server waits for calls in flight.
DRAIN_SECONDS = 8.0
TICK_SECONDS = 0.02
# Longer than clients keep an idle connection in their pool.
KEEP_ALIVE_SECONDS = 120


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol; it also gives the application the connection, to inject faults."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope.setdefault("extensions", {})[TRANSPORT] = {"transport": self.transport}


class _Server(uvicorn.Server):
    """uvicorn's server, but faster to stop: tests start and stop hundreds of servers."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn signals no event
            await asyncio.sleep(TICK_SECONDS / 10)
        for task in self.server_state.tasks:
            task.cancel()

    def _busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)


class SandboxServer:
    """A sandbox that serves HTTP from a thread of this process.

    Start and stop it with a ``with`` statement: ``with SandboxServer() as sandbox: ...``.

    Args:
        instance: the instance to serve, or options for a new one; by default an empty instance.
        sleep: waits for the given seconds, to simulate latency.
    """

    def __init__(
        self,
        instance: Instance | SandboxOptions | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not isinstance(instance, Instance):
            instance = Instance(instance)
        self.instance = instance
        self.api = Api(instance, sleep)
        self.port = instance.options.port
        control = control_routes(self.api)
        routes = [*control, *fallback_routes(self.api, control), Mount("/", app=self.api)]
        self._application = Starlette(routes=routes)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Return the base URL of the server, for the setting ``endpoint`` of a client."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def client_id(self) -> str:
        """Return the client id of the custom service."""
        return self.instance.client_id

    @property
    def client_secret(self) -> str:
        """Return the client secret of the custom service."""
        return self.instance.client_secret

    @property
    def credentials(self) -> dict[str, str]:
        """Return the settings ``endpoint``, ``client_id`` and ``client_secret`` for a plugin."""
        return {
            "endpoint": self.endpoint,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def start(self) -> Self:
        """Start the server in a thread, and return this object once the server accepts calls.

        Raises:
            OSError: if the port is in use, or the server does not start in time.
        """
        listener = _listen(self.port)
        self.port = listener.getsockname()[1]
        self._server = _Server(_config(self._application))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="marketo-sandbox", daemon=True
        )
        self._thread.start()
        self._await_start()
        return self

    def stop(self, *, close: bool = True) -> None:
        """Stop the server after the calls in flight have been answered.

        Args:
            close: True to close the instance's storage; False to start the server again later.
        """
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = None
        if close:
            self.instance.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # For tests in this process: the counterparts of the control calls under /sandbox.

    def journal(self, since: int = 0, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the journal entries of calls as JSON objects, oldest first.

        Args:
            since: number of a call; only later calls are returned.
            operation: name of the operation whose calls are returned; None for all operations.

        Raises:
            ValueError: if there is no operation of that name.
        """
        if operation is not None:
            validate(JOURNAL, {"operation": operation})
        return [entry.to_dict() for entry in self.api.journal.entries(since, operation)]

    def fault(self, fault: str | int, **rule: Any) -> FaultRule:
        """Add a rule for injecting a fault, and return it.

        Args:
            fault: a Marketo error code or the name of a fault.
            rule: other members of ``faults.FaultRule``.
        """
        return self.api.faults.add(fault=str(fault), **rule)

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self.api.faults.clear()

    def set_clock(self, moment: datetime, *, frozen: bool = False) -> None:
        """Set the instance's clock, which then runs on, or stands still if ``frozen`` is True."""
        self.instance.clock.set(moment, frozen=frozen)

    def advance(self, seconds: float) -> None:
        """Move the instance's clock forward by a number of seconds."""
        self.instance.clock.advance(seconds)

    def seed(self, opportunities: int, **more: Any) -> None:
        """Add generated opportunities, leads and roles; ``Seeder.run`` describes the arguments."""
        self.instance.seed(opportunities, **more)

    def use_calls(self, calls: int, user: str = OTHER_USER) -> None:
        """Use up part of today's API quota, as if another API user made this number of calls."""
        self.instance.daily_usage.add_calls(calls, user)

    def set_calls_today(self, calls: int) -> None:
        """Set the number of calls counted today; 0 restores the whole daily quota."""
        self.instance.daily_usage.set_calls_today(calls, OTHER_USER)

    def reset(self) -> None:
        """Delete all records, journal entries, fault rules and reported problems."""
        self.api.reset()

    @property
    def problems(self) -> list[str]:
        """Return the reported problems: calls to unknown paths, exceptions in the sandbox."""
        return self.api.problems

    def acknowledge_problems(self) -> list[str]:
        """Return the problems reported so far, such as calls to unknown paths, and forget them.

        The pytest plugin then does not fail the test because of them.
        """
        return self.api.acknowledge_problems()

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._server is not None and not self._server.started:
            if time.monotonic() > deadline:
                raise OSError(f"the sandbox did not start within {START_SECONDS:g} s")
            time.sleep(0.002)


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for a socket with an explicit protocol; with Nagle
    # each response takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(application: Starlette) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
