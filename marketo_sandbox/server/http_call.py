"""An HTTP request as it was received, and its parameters from query, form or JSON."""

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

# Raised by decoding: ArithmeticError for an exponent that no Decimal has, RecursionError for
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
        body: truncated where it is far past the limit.
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
        """Return the parameters of the query string, repeated ones joined by commas."""
        return _parse_form(self.query)

    @property
    def form_parameters(self) -> dict[str, Any]:
        """Return the parameters of a form in the body."""
        if self.content_type != FORM:
            return {}
        return _parse_form(self.body.decode("utf-8", "replace"))

    @property
    def text_parameters(self) -> dict[str, Any]:
        """Return the parameters of query and form."""
        return self.query_parameters | self.form_parameters

    @property
    def uri_bytes(self) -> int:
        """Return the length of path and query as sent."""
        return len(self.raw_path) + len(self.query) + bool(self.query)

    @property
    def effective_method(self) -> str:
        """Return the method meant: ``POST`` with ``_method=GET`` is a long ``GET``."""
        if self.method != "POST":
            return self.method
        # Clients in the wild say it in the form instead.
        meant = self.query_parameters.get("_method") or self.form_parameters.get("_method", "")
        return "GET" if meant.upper() == "GET" else self.method

    @property
    def content_type(self) -> str:
        """Return the media type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def token(self) -> str | None:
        """Return the bearer token; None as well for calls with the abolished ``access_token``."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or "access_token" in self.query_parameters:
            return None
        return token.strip()

    def read_parameters(self) -> dict[str, Any]:
        """Return all parameters: of the query, and of a body in the form that the method requires.

        Raises:
            CallRefusedError: 612 for a wrong content type, 609 for invalid JSON.
        """
        parameters = self.query_parameters
        if self.method == "POST" or (self.method == "DELETE" and self.body):
            parameters |= self._body_parameters()
        return parameters

    def _body_parameters(self) -> dict[str, Any]:
        if not self.body and not self.content_type:
            return {}
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
    """Return a request with its body, or None if the caller is gone before its end.

    A body far past the limit is read to its end, and truncated.
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


def _parse_form(query: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters
