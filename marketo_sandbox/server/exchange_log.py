"""Requests and responses of the last calls with secrets masked, for the start page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_sandbox.server.exchange import HttpResponse
    from marketo_sandbox.server.http_call import Call

SIZE = 100
MAX_BODY_BYTES = 64_000
# Both forms of a secret: name=value in a form or query string, and a member of a JSON response.
_SECRET = re.compile(r"(client_secret=|access_token=|\"access_token\":\")[^&\"]*")


class ExchangeLog:
    """Keep requests and responses of the last calls, with secrets masked and long bodies cut.

    Args:
        size: number of calls to keep.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: dict[int, _Exchange] = {}

    def begin(self, seq: int, call: Call) -> None:
        """Store the request of a call that has arrived; drop the oldest call beyond ``size``.

        Args:
            seq: number of the call in the journal.
            call: the request.
        """
        target = f"{call.raw_path}?{call.query}" if call.query else call.raw_path
        headers = {
            name: "..." if name == "authorization" else value
            for name, value in call.headers.items()
        }
        self._kept[seq] = _Exchange(call.method, target, _Message.of(headers, call.body))
        for old in list(self._kept)[: -self._size]:
            self._kept.pop(old, None)

    def end(self, seq: int, response: HttpResponse) -> None:
        """Store the response of a call, with its body before compression.

        Args:
            seq: number of the call in the journal.
            response: the response.
        """
        exchange = self._kept.get(seq)
        if exchange is not None:
            headers = {"content-type": response.content_type, **response.headers}
            sent = {name: value for name, value in headers.items() if value is not None}
            exchange.status = response.status
            exchange.response = _Message.of(sent, response.body)

    def get(self, seq: int) -> dict[str, Any]:
        """Return request and response of a call as JSON; the response is None if none was sent.

        Args:
            seq: number of the call in the journal.

        Raises:
            ValueError: if the call is not kept.
        """
        if seq not in self._kept:
            raise ValueError(
                f"call {seq} is not among the last {self._size} calls, "
                "for which request and response are kept"
            )
        return self._kept[seq].to_dict()

    def clear(self) -> None:
        """Forget the requests and responses of all calls."""
        self._kept.clear()


@dataclass(frozen=True)
class _Message:
    headers: Mapping[str, str]
    part: bytes
    size: int

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Self:
        return cls(headers, body[:MAX_BODY_BYTES], len(body))

    def to_dict(self) -> dict[str, Any]:
        # Decoded only on demand: most of the kept calls are never shown.
        return {
            "headers": dict(self.headers),
            "body": _without_secrets(self.part.decode("utf-8", "replace")),
            "bytes": self.size,
            "body_bytes": len(self.part),
        }


@dataclass
class _Exchange:
    method: str
    target: str
    request: _Message
    status: int | None = None
    response: _Message | None = None

    def to_dict(self) -> dict[str, Any]:
        target = _without_secrets(self.target)
        request = {"method": self.method, "target": target, **self.request.to_dict()}
        if self.response is None:
            return {"request": request, "response": None}
        return {"request": request, "response": {"status": self.status, **self.response.to_dict()}}


def _without_secrets(text: str) -> str:
    return _SECRET.sub(r"\1...", text)
