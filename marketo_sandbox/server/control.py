"""The sandbox's own endpoints under ``/sandbox``: no token, no limit, loopback only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.server.faults import Fault
from marketo_sandbox.server.start_page import start_page
from marketo_sandbox.server.validation import (
    FLAG,
    OBJECT,
    TEXT,
    check,
    list_of,
    number,
    one_of,
    optional,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from marketo_sandbox.server.api import Api

    Handler = Callable[[dict[str, Any]], Any]

BAD_REQUEST = 400
# What an order that means nothing fails with; ArithmeticError and RecursionError when it is read.
REFUSED = (ValueError, KeyError, TypeError, ArithmeticError, RecursionError, RecordRefusedError)
CHANGEABLE = {
    "latency_ms": number(0, DAY_SECONDS * 1000),
    "crm_sync": optional(one_of("read-only", "disabled")),
    "permissions": list_of(TEXT),
    "sales_persons": optional(list_of(TEXT)),
    "activity_delay_seconds": number(0, DAY_SECONDS * 365),
    "activity_scan": whole(1),
    "short_pages": number(0, 1),
    "refuse_delete_in_use": FLAG,
}
LIMITS = {
    "enforced": FLAG,
    "calls_per_window": whole(0),
    "window_seconds": number(0, DAY_SECONDS),
    "concurrent_calls": whole(0),
    "daily_calls": whole(0),
    "max_body_bytes": whole(0),
    "max_uri_bytes": whole(0),
}
SEED = {
    "opportunities": whole(0),
    "leads": optional(whole(0)),
    "roles": FLAG,
    "comma_ids": whole(0),
    "duplicates": whole(0),
    "history_days": whole(1, 36_500),
}
LEADS = {"ids": list_of(whole(1))}
USAGE = {"calls": whole(0), "user": TEXT}
OTHER_USER = "others@sandbox.example"
BULKY = frozenset({"keys", "parameters"})


class Control:
    """What the owner of a sandbox in another process may ask and do.

    Args:
        api: the application that it is about.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._instance = api.instance

    def status(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """What the instance holds, its clock, limits in use, faults, and its calls in figures."""
        instance, limits = self._instance, self._instance.limits
        return {
            "counts": instance.counts(),
            "clock": self.clock({}),
            "limits": {
                "enforced": limits.options.enforced,
                "in_window": limits.in_window(),
                "calls_per_window": limits.options.calls_per_window,
                "window_seconds": limits.options.window_seconds,
                "in_flight": limits.in_flight,
                "concurrent_calls": limits.options.concurrent_calls,
                "today": limits.calls_today(),
                "daily_calls": limits.options.daily_calls,
                "most_in_flight": limits.most_in_flight,
                "most_in_window": limits.most_in_window,
            },
            "token_seconds_left": max(0, int(instance.access.seconds_left())),
            "faults": self._api.faults.listed(),
            "calls": self._api.journal.calls,
            "journal_first": self._api.journal.first,
            "outcomes": dict(self._api.journal.outcomes),
            "operations": dict(self._api.journal.operations),
            "problems": list(self._api.problems),
            "crm_sync": instance.options.crm_sync,
            "latency_ms": instance.options.latency_ms,
        }

    def journal(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Calls after ``since``, at most the last ``limit``; ``brief`` leaves bulky members out."""
        entries = self._api.journal.entries(int(asked.get("since", 0)))
        limit = int(asked.get("limit", len(entries)))
        calls = [entry.told() for entry in entries[max(0, len(entries) - limit) :]]
        if "brief" in asked:
            calls = [{name: each[name] for name in each.keys() - BULKY} for each in calls]
        return {"calls": calls}

    def reset(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """Empty the instance, forget the calls, take the faults back."""
        self._api.reset()
        return self._instance.counts()

    def seed(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Add records: ``opportunities``, ``leads``, and what else the seeder takes."""
        check(SEED, asked)
        self._instance.seed(asked.pop("opportunities", 0), **asked)
        return self._instance.counts()

    def usage(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Count ``calls`` of today as made by another ``user`` of the subscription."""
        check(USAGE, asked)
        self._instance.limits.use(asked["calls"], asked.get("user", OTHER_USER))
        return {"today": self._instance.limits.calls_today()}

    def leads(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make the leads of ``ids`` known."""
        check(LEADS, asked)
        self._instance.add_leads(asked["ids"])
        return self._instance.counts()

    def clock(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The clock; ``now`` sets it (``frozen`` stops it), ``advance`` moves it."""
        clock, advance = self._instance.clock, asked.get("advance", 0)
        if "now" in asked:
            moment = datetime.fromisoformat(asked["now"]) + timedelta(seconds=advance)
            clock.set(moment, frozen=asked.get("frozen", False))
        else:
            clock.advance(advance)
        return {"now": clock.now().isoformat(), "frozen": clock.frozen, "day": clock.day()}

    def faults(self, asked: Any) -> list[dict[str, Any]]:
        """The rules in force; one rule or a list of them is added."""
        rules = asked if isinstance(asked, list) else [asked] if asked else []
        for rule in rules:
            Fault.from_mapping(rule)
        for rule in rules:
            self._api.faults.order(**rule)
        return self._api.faults.listed()

    def clear_faults(self, _asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Take every rule back."""
        self._api.faults.clear()
        return []

    def options(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Change options while calls run; members of ``limits`` by their own names."""
        options = self._instance.options
        limits = asked.pop("limits", {})
        check({"limits": OBJECT}, {"limits": limits})
        check(LIMITS, limits)
        check(CHANGEABLE, asked)
        for name, value in limits.items():
            setattr(options.limits, name, value)
        for name, value in asked.items():
            setattr(options, name, frozenset(value) if isinstance(value, list) else value)
        return {name: _told(getattr(options, name)) for name in sorted(CHANGEABLE)}

    def ids(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The externalOpportunityIds, which the API cannot list."""
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", -1))
        ids = self._instance.opportunity_ids(offset, limit)
        return {"ids": ids, "total": self._instance.counts()["opportunities"]}

    def opportunities(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The opportunities as they are stored."""
        return self._records(OPPORTUNITY, asked)

    def roles(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The roles as they are stored."""
        return self._records(ROLE, asked)

    def _records(self, obj: Any, asked: dict[str, Any]) -> dict[str, Any]:
        after, limit = int(asked.get("after", 0)), int(asked.get("limit", -1))
        return {"records": self._instance.records(obj, after, limit)}

    def change(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Change the opportunities of ``ids`` to ``fields``, as a user of Marketo would."""
        return {"changed": self._instance.change(asked["ids"], asked["fields"])}

    def expire_tokens(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """End the access token in force."""
        self._instance.expire_tokens()
        return {}

    def expire_page_tokens(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """Refuse every page token handed out so far."""
        self._instance.expire_page_tokens()
        return {}

    def problems(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """Unknown routes asked for, and exceptions in the sandbox itself."""
        return {"problems": list(self._api.problems)}

    def acknowledge(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """The problems so far, which are then forgotten."""
        return {"problems": self._api.acknowledge_problems()}


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _read(body: bytes, *, lists: bool) -> Any:
    asked = msgspec.json.decode(body)
    if not isinstance(asked, dict) and not (lists and isinstance(asked, list)):
        raise ValueError("the body must be a JSON object")
    return asked


def _told(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def control_routes(api: Api) -> list[Route]:
    """Every route under ``/sandbox``, and the start page."""
    control = Control(api)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "status", control.status),
        ("GET", "journal", control.journal),
        ("POST", "reset", control.reset),
        ("POST", "seed", control.seed),
        ("POST", "leads", control.leads),
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
    routes = [
        Route(f"/sandbox/{path}", _endpoint(handler, lists=path == "faults"), methods=[method])
        for method, path, handler in table
    ]
    return [Route("/", _page, methods=["GET"]), *routes]


async def _page(_request: Request) -> Response:
    return HTMLResponse(start_page())


def _endpoint(handler: Handler, *, lists: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            told = handler(_read(body, lists=lists) if body else dict(request.query_params))
        except REFUSED as error:
            return PlainTextResponse(f"{_reason(error)}\n", BAD_REQUEST)
        return Response(msgspec.json.encode(told), media_type="application/json")

    return endpoint
