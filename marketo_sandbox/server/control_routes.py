"""HTTP routes of the start page and the control calls, which need no token and have no limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.server import control_parameters as types
from marketo_sandbox.server.control import Control
from marketo_sandbox.server.start_page import start_page
from marketo_sandbox.server.validation import validate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from marketo_sandbox.server.api import Api
    from marketo_sandbox.server.validation import ValueType

    Handler = Callable[[dict[str, Any]], Any]
    Types = Mapping[str, ValueType]

BAD_REQUEST = 400
# Raised for invalid bodies; ArithmeticError and RecursionError while they are decoded.
BAD_INPUT_ERRORS = (
    ValueError,
    KeyError,
    TypeError,
    ArithmeticError,
    RecursionError,
    RecordRefusedError,
)


NOT_FOUND = 404
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def control_routes(api: Api) -> list[Route]:
    """Return the routes of all control calls under ``/sandbox`` and of the start page."""
    control = Control(api)

    async def credentials(request: Request) -> Response:
        # The base URL as the client addressed it, which may name another host than 127.0.0.1.
        return _json(control.credentials(str(request.base_url).rstrip("/")))

    return [
        Route("/", _page, methods=["GET"]),
        Route("/sandbox/credentials", credentials, methods=["GET"]),
        *(
            Route(f"/sandbox/{path}", _endpoint(handler, parameters), methods=[method])
            for method, path, handler, parameters in _handlers(control)
        ),
    ]


def _handlers(control: Control) -> list[tuple[str, str, Handler, Types | None]]:
    """Return all control calls as tuples: HTTP method, path below ``/sandbox``, handler, types.

    The types are those of the call's parameters; None for fault rules, which check themselves.
    """
    return [
        ("GET", "status", control.status, types.NOTHING),
        ("GET", "journal", control.journal, types.JOURNAL),
        ("GET", "exchange", control.exchange, types.EXCHANGE),
        ("POST", "reset", control.reset, types.NOTHING),
        ("POST", "seed", control.seed, types.SEED),
        ("GET", "leads", control.stored_leads, types.RECORDS),
        ("POST", "leads", control.leads, types.NEW_LEADS),
        ("POST", "leads/merge", control.merge_leads, types.MERGE),
        ("POST", "leads/delete", control.delete_leads, types.LEADS),
        ("POST", "lists", control.lists, types.LIST),
        ("POST", "usage", control.usage, types.USAGE),
        ("GET", "clock", control.clock, types.NOTHING),
        ("POST", "clock", control.clock, types.CLOCK),
        ("GET", "faults", control.faults, types.NOTHING),
        ("POST", "faults", control.faults, None),
        ("DELETE", "faults", control.clear_faults, types.NOTHING),
        ("POST", "options", control.options, types.OPTIONS),
        ("GET", "opportunities/ids", control.ids, types.IDS),
        ("GET", "opportunities", control.opportunities, types.RECORDS),
        ("GET", "roles", control.roles, types.RECORDS),
        ("POST", "change", control.change, types.CHANGE),
        ("POST", "expire_tokens", control.expire_tokens, types.NOTHING),
        ("POST", "expire_page_tokens", control.expire_page_tokens, types.NOTHING),
        ("GET", "problems", control.problems, types.NOTHING),
        ("DELETE", "problems", control.acknowledge, types.NOTHING),
    ]


def fallback_routes(api: Api, known: list[Route]) -> list[Route]:
    """Return the routes that respond to unknown paths under ``/sandbox`` and to ``/rest`` itself.

    Args:
        api: the API application, which reports unknown paths and serves API clients on ``/rest``.
        known: the control routes, which the response to an unknown path lists.
    """
    listed = "".join(
        f"  {', '.join(sorted((route.methods or set()) - {'HEAD'}))} {route.path}\n"
        for route in known
    )

    async def unknown(request: Request) -> Response:
        what = f"{request.method} {request.url.path}"
        api.report_problem(f"unknown control path {what}")
        text = f"unknown control path {what}; known control paths:\n{listed}"
        return PlainTextResponse(text, NOT_FOUND)

    return [
        *(Route(path, _RestEndpoint(api), methods=["GET"]) for path in ("/rest", "/rest/")),
        *(Route(path, unknown, methods=METHODS) for path in ("/sandbox", "/sandbox/{path:path}")),
    ]


class _RestEndpoint:
    """The handler of the path ``/rest``: browsers are redirected to the start page.

    Plugins are configured with this URL, so users open it in a browser.

    Args:
        api: the API application, which responds to clients other than browsers.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wants_page = "text/html" in Headers(scope=scope).get("accept", "")
        answer = RedirectResponse("/") if wants_page else self._api
        await answer(scope, receive, send)


async def _page(_request: Request) -> Response:
    return HTMLResponse(start_page())


def _endpoint(handler: Handler, allowed: Types | None) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            result = handler(_parameters(request, body, allowed))
        except BAD_INPUT_ERRORS as error:
            return PlainTextResponse(f"{_error_text(error)}\n", BAD_REQUEST)
        return _json(result)

    return endpoint


def _json(result: Any) -> Response:
    return Response(msgspec.json.encode(result), media_type="application/json")


def _error_text(error: Exception) -> str:
    return f"missing parameter {error}" if isinstance(error, KeyError) else str(error)


def _parameters(request: Request, body: bytes, allowed: Types | None) -> Any:
    """Return the parameters of a control call, from its body or else from its query string.

    Raises:
        ValueError: for a parameter that is unknown or has the wrong type.
    """
    if allowed is None:
        return _read(body, lists=True) if body else dict(request.query_params)
    read = _read(body) if body else types.from_query(allowed, request.query_params)
    validate(allowed, read)
    return read


def _read(body: bytes, *, lists: bool = False) -> Any:
    parameters = msgspec.json.decode(body)
    if not isinstance(parameters, dict) and not (lists and isinstance(parameters, list)):
        raise ValueError("the body must be a JSON object")
    return parameters
