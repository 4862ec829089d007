"""A call as it came over the wire, and its parameters wherever the caller put them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from marketo_sandbox.instance.errors import CallRefusedError

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope

MAX_READ_BYTES = 64_000_000
TRANSPORT = "marketo_sandbox.transport"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

# What decoding fails with: ArithmeticError for an exponent that no Decimal has, RecursionError for
# members nested too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)
# Decimals keep the digits that a float would lose; numbers too big for 64 bit come as Decimals too.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass
class Call:
    """One HTTP request, read to its end.

    Attributes:
        method: as sent.
        raw_path: the path as sent, percent signs and all.
        path: decoded.
        query: the query string as sent.
        headers: names in lower case.
        body: at most a little more than is allowed.
        transport: the connection, for cutting it.
    """

    method: str
    raw_path: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    transport: asyncio.Transport

    @property
    def query_parameters(self) -> dict[str, Any]:
        """Of the query string; a name given several times counts as a list."""
        return _joined(self.query)

    @property
    def form_parameters(self) -> dict[str, Any]:
        """Of a form in the body."""
        if self.content_type != FORM:
            return {}
        return _joined(self.body.decode("utf-8", "replace"))

    @property
    def uri_bytes(self) -> int:
        """The length of path and query as sent."""
        return len(self.raw_path) + len(self.query) + bool(self.query)

    @property
    def effective_method(self) -> str:
        """What is meant: ``POST`` with ``_method=GET`` is a long ``GET``."""
        meant = self.query_parameters.get("_method", "").upper()
        return "GET" if self.method == "POST" and meant == "GET" else self.method

    @property
    def content_type(self) -> str:
        """The media type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def token(self) -> str | None:
        """The bearer token; the ``access_token`` parameter was abolished and spoils the call."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or "access_token" in self.query_parameters:
            return None
        return token.strip()

    def read_parameters(self) -> dict[str, Any]:
        """All parameters: of the query, and of a body in the form that the method wants.

        Raises:
            CallRefusedError: 612 for a content type that does not fit, 609 for broken JSON.
        """
        parameters = self.query_parameters
        if self.method == "POST":
            parameters |= self._body_parameters()
        return parameters

    def _body_parameters(self) -> dict[str, Any]:
        if self.effective_method == "GET" and self.content_type == FORM:
            return self.form_parameters
        if self.content_type != JSON:
            raise CallRefusedError("612")
        try:
            body = _decode(self.body)
        except UNREADABLE as error:
            raise CallRefusedError("609") from error
        if not isinstance(body, dict):
            raise CallRefusedError("609")
        return body


async def read_call(scope: Scope, receive: Receive) -> Call | None:
    """A request, body and all, or None if the caller is gone before its end.

    What is far past any limit is read and dropped.
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) < MAX_READ_BYTES:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return Call(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
        transport=scope["extensions"][TRANSPORT]["transport"],
    )


def _joined(query: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters
