"""Sending of HTTP responses; a fault rule can make a response partial, slow or cut off."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Send

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.server.faults import FaultRule
    from marketo_sandbox.server.http_call import Call
    from marketo_sandbox.server.journal import Entry, Journal

    Header = tuple[bytes, bytes]

GZIP_FROM_BYTES = 1024
# As in recorded responses, in which a compressed body is chunked and has no content-length.
SERVER_HEADERS = {
    "server": "nginx",
    "vary": "Accept-Encoding",
    "set-cookie": "BIGipServersandbox-nginx-app_https=!kTN0cA7h3xQ; path=/; Httponly; Secure",
}
PHRASES = {int(each): each.phrase for each in HTTPStatus}


class HttpRefusedError(Exception):
    """Raised to refuse a call as a gateway does: with an HTTP status and HTML, not with JSON.

    Args:
        status: HTTP status code.
        reason: reason phrase of the status.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass
class HttpResponse:
    """An HTTP response to send.

    Attributes:
        status: HTTP status code.
        body: the body before compression.
        content_type: the header ``content-type``.
        headers: additional headers by name; None removes a header that is sent by default.
    """

    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """One call and all that is needed to respond to it: journal entry, fault rule, connection.

    Attributes:
        call: the request.
        entry: the call's entry in the journal.
        journal: the journal that holds the entry.
        fault: the fault rule that applies to the call, if any.
        receive: ASGI function that receives messages from the client.
        send: ASGI function that sends messages to the client.
        sleep: waits for the given seconds, for responses that are sent byte by byte.
    """

    call: Call
    entry: Entry
    journal: Journal
    fault: FaultRule | None
    receive: Receive
    send: Send
    sleep: Callable[[float], Awaitable[None]]

    async def deliver(self, response: HttpResponse | None, clock: Clock) -> None:
        """Complete the call's journal entry, then send the response to the client.

        The entry is completed first: a client that has the response finds a complete entry.

        Args:
            response: the response to send; None to close the connection without a response.
            clock: the instance's clock, for the header ``date``.
        """
        if response is None:
            self.journal.end(self.entry)
            await self._cut()
            return
        body = self._compressed(response)
        self.entry.http_status = response.status
        self.entry.response_bytes = len(body)
        self.journal.end(self.entry)
        headers = _headers(response, clock)
        if self.fault is not None and self.fault.changes_bytes:
            head = _head(response.status, [*headers, _length(body)])
            await self._write_bytes(self.fault, head, body)
            return
        # Without content-length, uvicorn sends the body in chunks.
        if "content-encoding" not in response.headers:
            headers.append(_length(body))
        await self.send(
            {"type": "http.response.start", "status": response.status, "headers": headers}
        )
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

    async def _write_bytes(self, fault: FaultRule, head: bytes, body: bytes) -> None:
        """Write a response directly to the connection, then close the connection.

        The fault rule decides which bytes are sent, and whether one by one.

        Args:
            fault: the fault rule.
            head: status line and headers of the response.
            body: body of the response.
        """
        whole = head + body if fault.raw is None else fault.raw.encode("latin-1")
        whole = whole[: fault.cut_at]
        at_once = {None: len(whole), "headers": 0, "body": len(head)}[fault.drip]
        self.call.transport.write(whole[:at_once])
        for byte in whole[at_once:]:
            if self.call.transport.is_closing():
                break
            self.call.transport.write(bytes([byte]))
            await self.sleep(fault.seconds)
        await self._cut()

    def _compressed(self, response: HttpResponse) -> bytes:
        accepted = self.call.headers.get("accept-encoding", "")
        if len(response.body) <= GZIP_FROM_BYTES or "gzip" not in accepted:
            return response.body
        response.headers["content-encoding"] = "gzip"
        return gzip.compress(response.body, compresslevel=1, mtime=0)

    async def _cut(self) -> None:
        """Close the connection to the client once all bytes written so far are transmitted."""
        self.call.transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _length(body: bytes) -> Header:
    return b"content-length", str(len(body)).encode()


def _headers(response: HttpResponse, clock: Clock) -> list[Header]:
    headers: dict[str, str | None] = {
        "date": format_datetime(clock.now(), usegmt=True),
        **SERVER_HEADERS,
        "content-type": response.content_type,
        **{name.lower(): value for name, value in response.headers.items()},
    }
    pairs = ((name, value) for name, value in headers.items() if value is not None)
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in pairs]


def _head(status: int, headers: list[Header]) -> bytes:
    """Return the status line and the headers as bytes, as HTTP/1.1 transmits them."""
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, '')}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])
