"""A received HTTP request, with its parameters from query string, form or JSON body."""

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

# Raised by decoding: ArithmeticError for an exponent too large for Decimal, RecursionError for
# members that are nested too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)
# Decimals keep digits that a float would lose; integers beyond 64 bits are decoded as Decimals too.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass
class Call:
    """One HTTP request with its complete body.

    Attributes:
        method: HTTP method as sent.
        raw_path: path as sent, percent-encoded.
        path: decoded path.
        query: query string as sent.
        headers: headers by their names in lower case.
        body: the body, truncated to ``MAX_READ_BYTES``.
        transport: the connection to the client, which a fault may close.
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
        """Return the query string's parameters; values of a repeated name are joined by commas."""
        return _parse_form(self.query)

    @property
    def form_parameters(self) -> dict[str, Any]:
        """Return the parameters of a form in the body; empty if the body is not a form."""
        if self.content_type != FORM:
            return {}
        return _parse_form(self.body.decode("utf-8", "replace"))

    @property
    def text_parameters(self) -> dict[str, Any]:
        """Return the parameters of the query string and of a form in the body together."""
        return self.query_parameters | self.form_parameters

    @property
    def uri_bytes(self) -> int:
        """Return the length of the URI (path and query string, as sent) in bytes."""
        return len(self.raw_path) + len(self.query) + bool(self.query)

    @property
    def effective_method(self) -> str:
        """Return the call's HTTP method, or ``GET`` for a ``POST`` with ``_method=GET``."""
        if self.method != "POST":
            return self.method
        # Some clients, such as marketorestpython, send _method in the form.
        meant = self.query_parameters.get("_method") or self.form_parameters.get("_method", "")
        return "GET" if meant.upper() == "GET" else self.method

    @property
    def content_type(self) -> str:
        """Return the media type in the header ``content-type``, such as ``application/json``."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def token(self) -> str | None:
        """Return the access token in the header ``authorization``, or None if there is no token.

        Also return None if the query parameter ``access_token`` is given, which Marketo refuses.
        """
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or "access_token" in self.query_parameters:
            return None
        return token.strip()

    def read_parameters(self) -> dict[str, Any]:
        """Return the parameters of the query string and, for POST and DELETE, of the body.

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
    """Receive an HTTP request with its body; return None if the client disconnects too early.

    A body longer than ``MAX_READ_BYTES`` is received to its end, but only its beginning is kept.
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
