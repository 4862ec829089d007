"""The ASGI application of the API: it checks each call, runs its operation, and responds."""

from __future__ import annotations

import asyncio
import random
import sys
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from marketo_sandbox.instance.access import API_USER
from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.limits import NOT_COUNTED
from marketo_sandbox.server.alterations import alter_response, replacement_response
from marketo_sandbox.server.exchange import Exchange, HttpRefusedError, HttpResponse
from marketo_sandbox.server.exchange_log import ExchangeLog
from marketo_sandbox.server.faults import ANSWER, CUTS, HTTP_FAULTS, FaultInjector, FaultRule
from marketo_sandbox.server.http_call import Call, read_call
from marketo_sandbox.server.journal import Entry, Journal, loggable_parameters
from marketo_sandbox.server.routes import (
    IDENTITY_METHODS,
    IDENTITY_PATH,
    Route,
    find_route,
    operation_name,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from marketo_sandbox.instance.instance import Instance

_encode = msgspec.json.Encoder(decimal_format="number").encode


PROXY_STATUS = 502
# Members that follow requestId, in the order of recorded responses.
LEADING = ("result", "success")


class _CutError(Exception):
    """Raised to close the connection without a response."""


class _ReplacedError(Exception):
    """Raised to send the response that a fault rule defines instead of the real one."""


class Api:
    """The ASGI application that serves the API of an instance: identity and REST calls.

    Args:
        instance: the instance to serve.
        sleep: waits for the given seconds, to simulate latency.
    """

    def __init__(
        self, instance: Instance, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.instance = instance
        self.journal = Journal(instance.options.journal_size)
        self.exchanges = ExchangeLog()
        self.faults = FaultInjector(random.Random(instance.options.seed))
        self.problems: list[str] = []
        self._sleep = sleep
        self._latency = random.Random(instance.options.seed)
        self._request_ids = random.Random(instance.options.seed)
        for rule in instance.options.faults:
            self.faults.add(**rule)

    def reset(self) -> None:
        """Delete all records, journal entries, fault rules and reported problems."""
        self.instance.reset()
        self.journal.clear()
        self.exchanges.clear()
        self.faults.clear()
        self.problems.clear()

    def acknowledge_problems(self) -> list[str]:
        """Return the problems reported so far, such as calls to unknown paths, and forget them.

        The pytest plugin then does not fail the test because of them.
        """
        found = list(self.problems)
        self.problems.clear()
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request: process it, inject the fault of a matching rule, and respond."""
        call = await read_call(scope, receive)
        if call is None:
            return
        entry = self._open_entry(call)
        self.exchanges.begin(entry.seq, call)
        fault = self.faults.strike(call.effective_method, call.path, entry.operation)
        entry.fault = fault.fault if fault else None
        exchange = Exchange(call, entry, self.journal, fault, receive, send, self._sleep)
        response = await self._respond(call, entry, fault)
        if response is not None and fault is not None:
            response = alter_response(response, fault, call.text_parameters)
        if response is not None:
            self.exchanges.end(entry.seq, response)
        await exchange.deliver(response, self.instance.clock)

    def _open_entry(self, call: Call) -> Entry:
        return self.journal.begin(
            clock=self.instance.clock.seconds(),
            method=call.method,
            path=call.path,
            operation=operation_name(call.effective_method, call.path),
            parameters=loggable_parameters(call.query_parameters),
            in_flight=self.instance.limits.in_flight + 1,
            request_bytes=len(call.body),
            user_agent=call.headers.get("user-agent", ""),
        )

    async def _respond(
        self, call: Call, entry: Entry, fault: FaultRule | None
    ) -> HttpResponse | None:
        try:
            return await self._process(call, entry, fault)
        except CallRefusedError as refusal:
            return self._refusal(entry, refusal)
        except HttpRefusedError as refusal:
            page = f"<html><body><h1>{refusal.status} {refusal.reason}</h1></body></html>"
            return HttpResponse(refusal.status, page.encode(), "text/html")
        except _ReplacedError:
            return replacement_response(fault, call.text_parameters) if fault else None
        except _CutError:
            return None
        except Exception:  # noqa: BLE001 - reported below, and fails the test that caused it
            return self._internal_error(call)

    def _refusal(self, entry: Entry, refusal: CallRefusedError) -> HttpResponse:
        self.instance.daily_usage.add_error(refusal.code)
        entry.codes = [refusal.code]
        errors = [{"code": refusal.code, "message": refusal.message}]
        return self._envelope(entry, success=False, errors=errors)

    def _envelope(self, entry: Entry, **members: Any) -> HttpResponse:
        moment = int(self.instance.clock.seconds() * 1000)
        entry.request_id = f"{self._request_ids.getrandbits(20):x}#{moment:x}"
        if "full-envelope" in self.instance.options.dialects:
            members = {"errors": [], "warnings": [], **members}
        ordered = {name: members.pop(name) for name in LEADING if name in members}
        return HttpResponse(200, _encode({"requestId": entry.request_id, **ordered, **members}))

    def _internal_error(self, call: Call) -> HttpResponse:
        self.report_problem(f"exception in {call.method} {call.path}:\n{traceback.format_exc()}")
        message = b"Internal error in the sandbox; see its standard error."
        return HttpResponse(500, message, "text/plain")

    def report_problem(self, text: str) -> None:
        """Print a problem to standard error, and keep it: the pytest plugin then fails the test."""
        self.problems.append(text)
        print(f"marketo-sandbox: {text}", file=sys.stderr, flush=True)

    async def _process(self, call: Call, entry: Entry, fault: FaultRule | None) -> HttpResponse:
        self._check_gateway(call)
        self._apply_expiry_faults(fault)
        if call.path == IDENTITY_PATH:
            return await self._run_with_latency(fault, lambda: self._identity(call))
        route, in_path = self._find_route(call)
        if fault is not None and fault.fault in NOT_COUNTED and not fault.after:
            raise CallRefusedError(fault.fault, fault.message)
        self.instance.access.check(call.token)
        counted = self.instance.limits.count(API_USER)
        if route is None:
            raise CallRefusedError("610")
        self.instance.limits.enter()
        try:
            self._check_permission(route)
            return await self._run_with_latency(
                fault, lambda: self._operate(call, entry, route, in_path)
            )
        except CallRefusedError as refusal:
            if refusal.code in NOT_COUNTED:
                self.instance.limits.uncount(counted)
            raise
        finally:
            self.instance.limits.leave()

    def _check_gateway(self, call: Call) -> None:
        limits = self.instance.options.limits
        if limits.enforced and call.uri_bytes > limits.max_uri_bytes:
            raise HttpRefusedError(414, "Request-URI Too Long")
        if limits.enforced and len(call.body) > limits.max_body_bytes:
            raise HttpRefusedError(413, "Request Entity Too Large")
        if "//" in call.path:
            raise HttpRefusedError(404, "Not Found")
        if call.path == IDENTITY_PATH and call.method not in IDENTITY_METHODS:
            raise HttpRefusedError(405, "Method Not Allowed")

    def _apply_expiry_faults(self, fault: FaultRule | None) -> None:
        if fault is not None and fault.fault == "expire_tokens":
            self.instance.expire_tokens()
        if fault is not None and fault.fault == "expire_page_tokens":
            self.instance.expire_page_tokens()

    def _find_route(self, call: Call) -> tuple[Route | None, dict[str, str]]:
        route, in_path, known = find_route(call.effective_method, call.path)
        if route is None and known:
            raise CallRefusedError("605", f"HTTP Method '{call.method}' not supported")
        if route is None:
            self.report_problem(f"unknown route {call.method} {call.path}")
        return route, in_path

    def _check_permission(self, route: Route) -> None:
        options = self.instance.options
        if route.permissions and not route.permissions & options.permissions:
            raise CallRefusedError("603")
        if options.crm_sync is None or route.crm is None:
            return
        if options.crm_sync == "disabled" or route.crm == "role" or route.writes:
            raise CallRefusedError("1018")

    async def _run_with_latency(
        self, fault: FaultRule | None, work: Callable[[], HttpResponse]
    ) -> HttpResponse:
        """Call ``work`` at a random moment within the simulated latency, and return its response.

        The random moment lets calls overtake each other, as in a real instance.

        Args:
            fault: the fault rule that applies to the call, if any.
            work: function that processes the call and returns the response.

        Raises:
            CallRefusedError: if ``work`` or the fault refuses the call.
        """
        latency_seconds = self.instance.options.latency_ms / 1000
        if fault is not None and fault.fault == "slow":
            latency_seconds += fault.seconds
        before_seconds = latency_seconds * self._latency.random()
        await self._sleep(before_seconds)
        _raise_fault(fault, after=False)
        response: HttpResponse | CallRefusedError
        try:
            response = work()
        except CallRefusedError as refusal:
            response = refusal
        await self._sleep(latency_seconds - before_seconds)
        _raise_fault(fault, after=True)
        if isinstance(response, CallRefusedError):
            raise response
        return response

    def _identity(self, call: Call) -> HttpResponse:
        parameters = call.text_parameters
        if parameters.get("grant_type") != "client_credentials":
            return _unauthorized("unsupported_grant_type", "Unsupported grant type")
        granted = self.instance.identity(parameters)
        if granted is None:
            return _unauthorized("unauthorized", "Bad client credentials")
        return HttpResponse(200, _encode(granted))

    def _operate(
        self, call: Call, entry: Entry, route: Route, in_path: dict[str, str]
    ) -> HttpResponse:
        parameters = call.read_parameters() | in_path
        try:
            entry.record_request(loggable_parameters(parameters), parameters, writes=route.writes)
            envelope = route.operation(self.instance, parameters)
        except RecursionError as error:  # nested too deep to be processed, though it was decoded
            raise CallRefusedError("609") from error
        entry.record_result(envelope.get("result", []), writes=route.writes)
        return self._envelope(entry, success=True, **envelope)


def _raise_fault(fault: FaultRule | None, *, after: bool) -> None:
    if fault is None or fault.after != after:
        return
    if fault.fault in CUTS:
        raise _CutError
    if fault.fault == ANSWER:
        raise _ReplacedError
    if fault.fault == "html":
        raise HttpRefusedError(fault.status or PROXY_STATUS, "Proxy Error")
    if fault.fault in HTTP_FAULTS:
        raise HttpRefusedError(HTTP_FAULTS[fault.fault], "Injected fault")
    if fault.fault.isdecimal():
        raise CallRefusedError(fault.fault, fault.message)


def _unauthorized(error: str, description: str) -> HttpResponse:
    return HttpResponse(401, _encode({"error": error, "error_description": description}))
