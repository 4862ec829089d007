"""The way out: compression, the instance's own date, and connections that break off on order."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.server.faults import Fault
    from marketo_sandbox.server.http_call import Call
    from marketo_sandbox.server.journal import Entry, Journal

GZIP_FROM_BYTES = 1024


@dataclass
class Answer:
    """What goes back: status, body, media type."""

    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """A call, its entry in the journal, the fault that strikes it, and the line to the caller."""

    call: Call
    entry: Entry
    journal: Journal
    fault: Fault | None
    receive: Receive
    send: Send

    async def deliver(self, answer: Answer | None, clock: Clock) -> None:
        """Send an answer, or none: then the connection is closed.

        The journal is closed first, so that whoever has the answer finds the call complete there.
        """
        if answer is None:
            self.journal.end(self.entry)
            await self._cut()
            return
        body = self._compressed(answer)
        self.entry.http_status = answer.status
        self.entry.response_bytes = len(body)
        self.journal.end(self.entry)
        await self.send(_start(answer, len(body), clock))
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

    def _compressed(self, answer: Answer) -> bytes:
        accepted = self.call.headers.get("accept-encoding", "")
        if len(answer.body) <= GZIP_FROM_BYTES or "gzip" not in accepted:
            return answer.body
        answer.headers["content-encoding"] = "gzip"
        return gzip.compress(answer.body, compresslevel=1, mtime=0)

    async def _cut(self) -> None:
        """Close the connection; what has been sent still goes out."""
        self.call.transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _start(answer: Answer, length: int, clock: Clock) -> Message:
    headers = {
        "date": format_datetime(clock.now(), usegmt=True),
        "content-type": answer.content_type,
        "content-length": str(length),
        **answer.headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": pairs}
