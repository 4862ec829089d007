"""Lookups of leads by e-mail address for roles: calls, writes, and the time they take."""

from __future__ import annotations

import math
import typing as t

from instances import Instance, refusals
from measure import run
from workspace import address, instance_flags

if t.TYPE_CHECKING:
    from instances import Call
    from workspace import Workspace

_CALL_RECORDS = 300
LEADS_A_ROLE = 0.4
_LEADS_A_TIME = 10_000
_WINDOW_SECONDS = 20
_CALLS_A_WINDOW = 100
_AT_ONCE = 10
_SHARED = 0.03
"""Share of the addresses that belong to two leads."""

Figures = dict[str, t.Any]


def measure_lookups(workspace: Workspace, count: int) -> list[Figures]:
    """Measure calls and wall time of writing roles whose leads are looked up by e-mail.

    The roles are written twice: once with each address belonging to one lead, once with some
    addresses that two leads share.

    Args:
        workspace: the files of the benchmarks.
        count: number of roles; a lead has two or three of them.
    """
    return [_delivered(workspace, count, share) for share in (0.0, _SHARED)]


def _delivered(workspace: Workspace, count: int, shared: float) -> Figures:
    leads = math.ceil(count * LEADS_A_ROLE)
    with Instance(*instance_flags(count)) as destination:
        add_leads(destination, range(leads))
        add_leads(destination, range(math.ceil(leads * shared)))
        settings = {
            "stream_objects": {"roles": "opportunity_roles"},
            "lead_lookup_field": "email",
            "lead_lookup_many": "oldest",
            "calls_per_20_seconds": _CALLS_A_WINDOW,
            "max_concurrent_calls": _AT_ONCE,
        }
        lines = workspace.role_lines(destination, count, leads)
        (usage,) = run(workspace.target(destination, **settings), stdin=lines)
        calls = destination.calls()
        roles = destination.control("status")["counts"]["roles"]
    return {
        "records": roles,
        "leads": leads,
        "shared": shared,
        **_call_figures(calls),
        "fewest_lookups": math.ceil(leads / _CALL_RECORDS),
        "fewest_writes": math.ceil(count / _CALL_RECORDS),
        "wall_seconds": round(usage.wall_seconds, 1),
    }


def _call_figures(calls: list[Call]) -> Figures:
    writes = sum(call["operation"] == "sync role" for call in calls)
    return {
        "calls": len(calls),
        # The other two calls describe roles, and list the fields by which leads can be looked up.
        "lookups": len(calls) - writes - 2,
        "writes": writes,
        "refused_606": refusals(calls, "606"),
        # No window has to pass after the last calls.
        "bound_seconds": (math.ceil(len(calls) / _CALLS_A_WINDOW) - 1) * _WINDOW_SECONDS,
    }


def add_leads(destination: Instance, numbers: range) -> None:
    """Add a lead to the sandbox for each number, with the e-mail address of that number."""
    for start in range(0, len(numbers), _LEADS_A_TIME):
        some = numbers[start : start + _LEADS_A_TIME]
        records = [{"email": address(number)} for number in some]
        destination.control("leads", {"records": records})
