"""Call in, answer out: the gateway's checks, the token, the limits, the faults, the envelope."""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from marketo_opps.sandbox.access import API_USER
from marketo_opps.sandbox.calls import Call
from marketo_opps.sandbox.faults import HTTP_FAULTS, Fault, Faults
from marketo_opps.sandbox.journal import Entry, Journal, told_parameters
from marketo_opps.sandbox.limits import NOT_COUNTED
from marketo_opps.sandbox.refusals import CallRefusedError, HttpRefusedError
from marketo_opps.sandbox.routes import IDENTITY_PATH, Route, find

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from marketo_opps.sandbox.instance import Instance

GZIP_FROM_BYTES = 1024
MAX_READ_BYTES = 64_000_000
TRANSPORT = "marketo_opps.sandbox.transport"
PROXY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>upstream gone</body></html>"

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass
class Answer:
    """What goes back: status, media type, body."""

    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """The ASGI application for everything that the real instance would answer.

    Args:
        instance: what is spoken for.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.journal = Journal(instance.options.journal_size)
        self.faults = Faults(random.Random(instance.options.seed))
        self._latency = random.Random(instance.options.seed)
        self._request_ids = random.Random(instance.options.seed)
        self.problems: list[str] = []
        for rule in instance.options.faults:
            self.faults.order(**rule)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await _read(scope, receive)
        entry = self._begin(call)
        fault = self.faults.strike(frozenset({call.method, call.effective_method}), call.path)
        entry.fault = fault.fault if fault else None
        try:
            answer = await self._answer(call, entry, fault)
            await self._deliver(answer, call, entry, fault, receive, send)
        finally:
            self.journal.end(entry, time.monotonic(), time.time())

    def _begin(self, call: Call) -> Entry:
        return self.journal.begin(
            started=time.monotonic(),
            started_at=time.time(),
            clock=self.instance.clock.seconds(),
            method=call.method,
            path=call.path,
            parameters=told_parameters(call.query_parameters),
            in_flight=self.instance.limits.in_flight + 1,
            request_bytes=len(call.body),
            user_agent=call.headers.get("user-agent", ""),
        )

    async def _answer(self, call: Call, entry: Entry, fault: Fault | None) -> Answer:
        try:
            return await self._judged(call, entry, fault)
        except CallRefusedError as refusal:
            self.instance.limits.record_error(refusal.code)
            entry.codes = [refusal.code]
            return self._refused(entry, refusal.code, refusal.message)
        except HttpRefusedError as refusal:
            page = f"<html><body><h1>{refusal.status} {refusal.reason}</h1></body></html>"
            return Answer(refusal.status, page.encode(), "text/html")
        except Exception:  # noqa: BLE001 - reported below, and fails the test that caused it
            return self._broken(call)

    def _broken(self, call: Call) -> Answer:
        self._problem(f"exception in {call.method} {call.path}:\n{traceback.format_exc()}")
        return Answer(500, b"The sandbox itself failed; see its stderr.", "text/plain")

    def _problem(self, text: str) -> None:
        self.problems.append(text)
        print(f"marketo-sandbox: {text}", file=sys.stderr, flush=True)

    async def _judged(self, call: Call, entry: Entry, fault: Fault | None) -> Answer:
        self._gate(call)
        if fault is not None:
            await self._before(fault)
        if call.path == IDENTITY_PATH:
            entry.operation = "identity"
            return await self._identity(call, fault)
        route, parameters = self._route(call)
        entry.operation = route.name
        if fault is not None and fault.fault in NOT_COUNTED and not fault.after:
            raise CallRefusedError(fault.fault, fault.error_message)
        self.instance.access.check(call.token)
        self.instance.limits.count(API_USER)
        self.instance.limits.enter()
        try:
            return await self._worked(call, entry, fault, route, parameters)
        finally:
            self.instance.limits.leave()

    def _gate(self, call: Call) -> None:
        limits = self.instance.options.limits
        uri_bytes = len(call.raw_path) + len(call.query) + bool(call.query)
        if limits.enforced and uri_bytes > limits.max_uri_bytes:
            raise HttpRefusedError(414, "Request-URI Too Long")
        if limits.enforced and len(call.body) > limits.max_body_bytes:
            raise HttpRefusedError(413, "Request Entity Too Large")
        if "//" in call.path:
            raise HttpRefusedError(404, "Not Found")

    async def _before(self, fault: Fault) -> None:
        if fault.fault == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.fault == "expire_tokens":
            self.instance.expire_tokens()
        if fault.fault == "expire_page_tokens":
            self.instance.expire_page_tokens()

    async def _identity(self, call: Call, fault: Fault | None) -> Answer:
        await asyncio.sleep(self.instance.options.latency_ms / 1000)
        self._fail_on_order(fault, after=False)
        parameters = call.read_parameters() if call.body else call.query_parameters
        if parameters.get("grant_type") != "client_credentials":
            return _unauthorized("unsupported_grant_type", "Unsupported grant type")
        granted = self.instance.identity(parameters)
        if granted is None:
            return _unauthorized("unauthorized", "Bad client credentials")
        return Answer(200, _encode(granted))

    def _route(self, call: Call) -> tuple[Route, dict[str, str]]:
        route, parameters, known = find(call.effective_method, call.path)
        if route is not None:
            return route, parameters
        if known:
            raise CallRefusedError("605", f"HTTP Method '{call.method}' not supported")
        self._problem(f"unknown route {call.method} {call.path}")
        raise CallRefusedError("610", "Requested resource not found")

    async def _worked(
        self,
        call: Call,
        entry: Entry,
        fault: Fault | None,
        route: Route,
        in_path: dict[str, str],
    ) -> Answer:
        latency_seconds = self.instance.options.latency_ms / 1000
        # The work is done somewhere on the way, so that calls in flight may overtake each other.
        share = self._latency.random()
        await asyncio.sleep(latency_seconds * share)
        self._permit(route)
        self._fail_on_order(fault, after=False)
        parameters = call.read_parameters() | in_path
        _note(entry, parameters, route)
        envelope = route.operation(self.instance, parameters)
        _note_answer(entry, envelope, route)
        await asyncio.sleep(latency_seconds * (1 - share))
        self._fail_on_order(fault, after=True)
        entry.request_id = self._request_id()
        return Answer(200, _encode({"requestId": entry.request_id, "success": True, **envelope}))

    def _permit(self, route: Route) -> None:
        options = self.instance.options
        if route.permissions and not route.permissions & options.permissions:
            raise CallRefusedError("603", "Access denied")
        if options.crm_sync is None or route.crm is None:
            return
        if options.crm_sync == "disabled" or route.crm == "role" or route.writes:
            raise CallRefusedError("1018", "CRM Enabled")

    def _fail_on_order(self, fault: Fault | None, *, after: bool) -> None:
        if fault is None or fault.after != after:
            return
        if fault.fault.isdecimal():
            raise CallRefusedError(fault.fault, fault.error_message)
        if fault.fault in HTTP_FAULTS:
            raise HttpRefusedError(HTTP_FAULTS[fault.fault], "Fault on order")

    def _refused(self, entry: Entry, code: str, message: str) -> Answer:
        entry.request_id = self._request_id()
        errors = [{"code": code, "message": message}]
        envelope = {"requestId": entry.request_id, "success": False, "errors": errors}
        return Answer(200, _encode(envelope))

    def _request_id(self) -> str:
        moment = int(self.instance.clock.seconds() * 1000)
        return f"{self._request_ids.getrandbits(20):x}#{moment:x}"

    async def _deliver(
        self,
        answer: Answer,
        call: Call,
        entry: Entry,
        fault: Fault | None,
        receive: Receive,
        send: Send,
    ) -> None:
        kind = fault.fault if fault else None
        if kind in {"cut_before", "cut_after_write"}:
            await _cut(call, receive)
            return
        if kind == "html" and fault is not None:
            answer = Answer(fault.status, PROXY_PAGE, "text/html")
        entry.http_status = answer.status
        body = self._compressed(answer, call)
        entry.response_bytes = len(body)
        await send(self._start(answer, len(body)))
        if kind == "truncated_body":
            await send(
                {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            )
            await _cut(call, receive)
            return
        await send({"type": "http.response.body", "body": body})
        if kind == "drop_keep_alive":
            call.transport.close()

    def _compressed(self, answer: Answer, call: Call) -> bytes:
        if len(answer.body) > GZIP_FROM_BYTES and "gzip" in call.headers.get("accept-encoding", ""):
            answer.headers["content-encoding"] = "gzip"
            return gzip.compress(answer.body, compresslevel=1, mtime=0)
        return answer.body

    def _start(self, answer: Answer, length: int) -> Message:
        headers = {
            "date": format_datetime(self.instance.clock.now(), usegmt=True),
            "content-type": answer.content_type,
            "content-length": str(length),
            **answer.headers,
        }
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": answer.status, "headers": pairs}


def _unauthorized(error: str, description: str) -> Answer:
    return Answer(401, _encode({"error": error, "error_description": description}))


async def _read(scope: Scope, receive: Receive) -> Call:
    body = bytearray()
    more = True
    while more:
        message = await receive()
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
        transport=scope[TRANSPORT],
    )


async def _cut(call: Call, receive: Receive) -> None:
    """Close the connection; what has been sent still goes out."""
    call.transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _note(entry: Entry, parameters: dict[str, Any], route: Route) -> None:
    entry.parameters = told_parameters(parameters)
    records = parameters.get("input")
    if isinstance(records, list):
        entry.asked = len(records)
        entry.keys = "\n".join(_key(record) for record in records) if route.writes else ""
    elif "filterValues" in parameters:
        entry.asked = parameters["filterValues"].count(",") + 1


def _key(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    names = ("externalOpportunityId", "leadId", "role")
    members = [str(record[name]) for name in names if name in record]
    return "|".join(members) or str(record.get("marketoGUID", ""))


def _note_answer(entry: Entry, envelope: dict[str, Any], route: Route) -> None:
    result = envelope.get("result", [])
    entry.answered = len(result)
    if route.writes:
        entry.statuses = dict(Counter(each["status"] for each in result))
        reasons = (reason["code"] for each in result for reason in each.get("reasons", ()))
        entry.reasons = dict(Counter(reasons))
