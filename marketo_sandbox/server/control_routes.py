"""HTTP routes of the start page and the control calls, which need no token and have no limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.server.control import Control
from marketo_sandbox.server.start_page import start_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from marketo_sandbox.server.api import Api

    Handler = Callable[[dict[str, Any]], Any]

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
            Route(f"/sandbox/{path}", _endpoint(handler, lists=path == "faults"), methods=[method])
            for method, path, handler in _handlers(control)
        ),
    ]


def _handlers(control: Control) -> list[tuple[str, str, Handler]]:
    """Return all control calls as tuples: HTTP method, path below ``/sandbox``, handler."""
    return [
        ("GET", "status", control.status),
        ("GET", "journal", control.journal),
        ("GET", "exchange", control.exchange),
        ("POST", "reset", control.reset),
        ("POST", "seed", control.seed),
        ("GET", "leads", control.stored_leads),
        ("POST", "leads", control.leads),
        ("POST", "leads/merge", control.merge_leads),
        ("POST", "leads/delete", control.delete_leads),
        ("POST", "lists", control.lists),
        ("POST", "usage", control.usage),
        ("GET", "clock", control.clock),
        ("POST", "clock", control.clock),
        ("GET", "faults", control.faults),
        ("POST", "faults", control.faults),
        ("DELETE", "faults", control.clear_faults),
        ("POST", "options", control.options),
        ("GET", "opportunities/ids", control.ids),
        ("GET", "opportunities", control.opportunities),
        ("GET", "roles", control.roles),
        ("POST", "change", control.change),
        ("POST", "expire_tokens", control.expire_tokens),
        ("POST", "expire_page_tokens", control.expire_page_tokens),
        ("GET", "problems", control.problems),
        ("DELETE", "problems", control.acknowledge),
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


def _endpoint(handler: Handler, *, lists: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            result = handler(_read(body, lists=lists) if body else dict(request.query_params))
        except BAD_INPUT_ERRORS as error:
            return PlainTextResponse(f"{_error_text(error)}\n", BAD_REQUEST)
        return _json(result)

    return endpoint


def _json(result: Any) -> Response:
    return Response(msgspec.json.encode(result), media_type="application/json")


def _error_text(error: Exception) -> str:
    return f"missing parameter {error}" if isinstance(error, KeyError) else str(error)


def _read(body: bytes, *, lists: bool) -> Any:
    parameters = msgspec.json.decode(body)
    if not isinstance(parameters, dict) and not (lists and isinstance(parameters, list)):
        raise ValueError("the body must be a JSON object")
    return parameters
