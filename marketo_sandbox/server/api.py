"""Call in, answer out: the gateway's checks, the token, the limits, the faults, the envelope."""

from __future__ import annotations

import asyncio
import random
import sys
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from marketo_sandbox.instance.access import API_USER
from marketo_sandbox.instance.errors import CallRefusedError, HttpRefusedError
from marketo_sandbox.instance.limits import NOT_COUNTED
from marketo_sandbox.server.exchange import Answer, Exchange
from marketo_sandbox.server.faults import CUTS, HTTP_FAULTS, Fault, Faults
from marketo_sandbox.server.http_call import Call, read_call
from marketo_sandbox.server.journal import Entry, Journal, told_parameters
from marketo_sandbox.server.routes import (
    IDENTITY_METHODS,
    IDENTITY_PATH,
    Route,
    find,
    operation_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from marketo_sandbox.instance.instance import Instance

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _CutError(Exception):
    """The connection is to be closed without an answer."""


class Api:
    """The ASGI application for everything that the real instance would answer.

    Args:
        instance: what is spoken for.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.journal = Journal(instance.options.journal_size)
        self.faults = Faults(random.Random(instance.options.seed))
        self.problems: list[str] = []
        self._latency = random.Random(instance.options.seed)
        self._request_ids = random.Random(instance.options.seed)
        for rule in instance.options.faults:
            self.faults.order(**rule)

    def reset(self) -> None:
        """Empty the instance, forget the calls, take the faults back."""
        self.instance.reset()
        self.journal.clear()
        self.faults.clear()
        self.problems.clear()

    def acknowledge_problems(self) -> list[str]:
        """The problems so far, which are then forgotten."""
        found = list(self.problems)
        self.problems.clear()
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await read_call(scope, receive)
        if call is None:
            return
        entry = self._begin(call)
        fault = self.faults.strike(call.effective_method, call.path, entry.operation)
        entry.fault = fault.fault if fault else None
        exchange = Exchange(call, entry, self.journal, fault, receive, send)
        answer = await self._answer(call, entry, fault)
        await exchange.deliver(answer, self.instance.clock)

    def _begin(self, call: Call) -> Entry:
        return self.journal.begin(
            clock=self.instance.clock.seconds(),
            method=call.method,
            path=call.path,
            operation=operation_name(call.effective_method, call.path),
            parameters=told_parameters(call.query_parameters),
            in_flight=self.instance.limits.in_flight + 1,
            request_bytes=len(call.body),
            user_agent=call.headers.get("user-agent", ""),
        )

    async def _answer(self, call: Call, entry: Entry, fault: Fault | None) -> Answer | None:
        try:
            return await self._judged(call, entry, fault)
        except CallRefusedError as refusal:
            return self._refused(entry, refusal)
        except HttpRefusedError as refusal:
            page = f"<html><body><h1>{refusal.status} {refusal.reason}</h1></body></html>"
            return Answer(refusal.status, page.encode(), "text/html")
        except _CutError:
            return None
        except Exception:  # noqa: BLE001 - reported below, and fails the test that caused it
            return self._broken(call)

    def _refused(self, entry: Entry, refusal: CallRefusedError) -> Answer:
        self.instance.limits.record_error(refusal.code)
        entry.codes = [refusal.code]
        errors = [{"code": refusal.code, "message": refusal.message}]
        return self._enveloped(entry, success=False, errors=errors)

    def _enveloped(self, entry: Entry, **members: Any) -> Answer:
        moment = int(self.instance.clock.seconds() * 1000)
        entry.request_id = f"{self._request_ids.getrandbits(20):x}#{moment:x}"
        return Answer(200, _encode({"requestId": entry.request_id, **members}))

    def _broken(self, call: Call) -> Answer:
        self._problem(f"exception in {call.method} {call.path}:\n{traceback.format_exc()}")
        return Answer(500, b"The sandbox itself failed; see its stderr.", "text/plain")

    def _problem(self, text: str) -> None:
        self.problems.append(text)
        print(f"marketo-sandbox: {text}", file=sys.stderr, flush=True)

    async def _judged(self, call: Call, entry: Entry, fault: Fault | None) -> Answer:
        self._gate(call)
        self._arrange(fault)
        if call.path == IDENTITY_PATH:
            return await self._worked(fault, lambda: self._identity(call))
        route, in_path = self._route(call)
        if fault is not None and fault.fault in NOT_COUNTED and not fault.after:
            raise CallRefusedError(fault.fault, fault.message)
        self.instance.access.check(call.token)
        counted = self.instance.limits.count(API_USER)
        if route is None:
            raise CallRefusedError("610")
        self.instance.limits.enter()
        try:
            self._permit(route)
            return await self._worked(fault, lambda: self._operate(call, entry, route, in_path))
        except CallRefusedError as refusal:
            if refusal.code in NOT_COUNTED:
                self.instance.limits.take_back(counted)
            raise
        finally:
            self.instance.limits.leave()

    def _gate(self, call: Call) -> None:
        limits = self.instance.options.limits
        if limits.enforced and call.uri_bytes > limits.max_uri_bytes:
            raise HttpRefusedError(414, "Request-URI Too Long")
        if limits.enforced and len(call.body) > limits.max_body_bytes:
            raise HttpRefusedError(413, "Request Entity Too Large")
        if "//" in call.path:
            raise HttpRefusedError(404, "Not Found")
        if call.path == IDENTITY_PATH and call.method not in IDENTITY_METHODS:
            raise HttpRefusedError(405, "Method Not Allowed")

    def _arrange(self, fault: Fault | None) -> None:
        if fault is not None and fault.fault == "expire_tokens":
            self.instance.expire_tokens()
        if fault is not None and fault.fault == "expire_page_tokens":
            self.instance.expire_page_tokens()

    def _route(self, call: Call) -> tuple[Route | None, dict[str, str]]:
        route, in_path, known = find(call.effective_method, call.path)
        if route is None and known:
            raise CallRefusedError("605", f"HTTP Method '{call.method}' not supported")
        if route is None:
            self._problem(f"unknown route {call.method} {call.path}")
        return route, in_path

    def _permit(self, route: Route) -> None:
        options = self.instance.options
        if route.permissions and not route.permissions & options.permissions:
            raise CallRefusedError("603")
        if options.crm_sync is None or route.crm is None:
            return
        if options.crm_sync == "disabled" or route.crm == "role" or route.writes:
            raise CallRefusedError("1018")

    async def _worked(self, fault: Fault | None, work: Callable[[], Answer]) -> Answer:
        """Do the work somewhere within the latency, so that calls in flight may overtake others."""
        latency_seconds = self.instance.options.latency_ms / 1000
        if fault is not None and fault.fault == "slow":
            latency_seconds += fault.seconds
        before_seconds = latency_seconds * self._latency.random()
        await asyncio.sleep(before_seconds)
        _strike(fault, after=False)
        answer: Answer | CallRefusedError
        try:
            answer = work()
        except CallRefusedError as refusal:
            answer = refusal
        await asyncio.sleep(latency_seconds - before_seconds)
        _strike(fault, after=True)
        if isinstance(answer, CallRefusedError):
            raise answer
        return answer

    def _identity(self, call: Call) -> Answer:
        parameters = call.query_parameters | call.form_parameters
        if parameters.get("grant_type") != "client_credentials":
            return _unauthorized("unsupported_grant_type", "Unsupported grant type")
        granted = self.instance.identity(parameters)
        if granted is None:
            return _unauthorized("unauthorized", "Bad client credentials")
        return Answer(200, _encode(granted))

    def _operate(self, call: Call, entry: Entry, route: Route, in_path: dict[str, str]) -> Answer:
        parameters = call.read_parameters() | in_path
        try:
            entry.note_request(told_parameters(parameters), parameters, writes=route.writes)
            envelope = route.operation(self.instance, parameters)
        except RecursionError as error:  # nested just not too deep to be read
            raise CallRefusedError("609") from error
        entry.note_result(envelope.get("result", []), writes=route.writes)
        return self._enveloped(entry, success=True, **envelope)


def _strike(fault: Fault | None, *, after: bool) -> None:
    if fault is None or fault.after != after:
        return
    if fault.fault in CUTS:
        raise _CutError
    if fault.fault == "html":
        raise HttpRefusedError(fault.status, "Proxy Error")
    if fault.fault in HTTP_FAULTS:
        raise HttpRefusedError(HTTP_FAULTS[fault.fault], "Fault on order")
    if fault.fault.isdecimal():
        raise CallRefusedError(fault.fault, fault.message)


def _unauthorized(error: str, description: str) -> Answer:
    return Answer(401, _encode({"error": error, "error_description": description}))
