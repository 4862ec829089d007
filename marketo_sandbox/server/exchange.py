"""Responses on their way out: compression, the instance's date, connections cut by faults."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.server.faults import FaultRule
    from marketo_sandbox.server.http_call import Call
    from marketo_sandbox.server.journal import Entry, Journal

GZIP_FROM_BYTES = 1024


class HttpRefusedError(Exception):
    """Refuse a call as a gateway does: an HTTP status and a page of HTML, no envelope.

    Args:
        status: the HTTP status.
        reason: its usual phrase.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass
class HttpResponse:
    """A response to be sent."""

    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """A call with its journal entry, the fault that strikes it, and the caller's connection."""

    call: Call
    entry: Entry
    journal: Journal
    fault: FaultRule | None
    receive: Receive
    send: Send

    async def deliver(self, response: HttpResponse | None, clock: Clock) -> None:
        """Send a response, or close the connection if there is none.

        The journal's entry ends first, so that whoever has the response finds it complete.
        """
        if response is None:
            self.journal.end(self.entry)
            await self._cut()
            return
        body = self._compressed(response)
        self.entry.http_status = response.status
        self.entry.response_bytes = len(body)
        self.journal.end(self.entry)
        await self.send(_response_start(response, len(body), clock))
        if self._struck_by("truncated_body"):
            await self._send_body(body[: len(body) // 2], more=True)
            await self._cut()
            return
        await self._send_body(body)
        if self._struck_by("drop_keep_alive"):
            self.call.transport.close()

    def _struck_by(self, name: str) -> bool:
        return self.fault is not None and self.fault.fault == name

    async def _send_body(self, body: bytes, *, more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    def _compressed(self, response: HttpResponse) -> bytes:
        accepted = self.call.headers.get("accept-encoding", "")
        if len(response.body) <= GZIP_FROM_BYTES or "gzip" not in accepted:
            return response.body
        response.headers["content-encoding"] = "gzip"
        return gzip.compress(response.body, compresslevel=1, mtime=0)

    async def _cut(self) -> None:
        """Close the connection, once what has been sent is out."""
        self.call.transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _response_start(response: HttpResponse, length: int, clock: Clock) -> Message:
    headers = {
        "date": format_datetime(clock.now(), usegmt=True),
        "content-type": response.content_type,
        "content-length": str(length),
        **response.headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": response.status, "headers": pairs}
