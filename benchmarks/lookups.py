"""Roles that find their lead by its address: lookups, writes, and the time they take."""

from __future__ import annotations

import math
import typing as t

from instances import Instance
from measure import run
from workshop import address, held

if t.TYPE_CHECKING:
    from workshop import Workshop

_CALL_RECORDS = 300
LEADS_A_ROLE = 0.4
_LEADS_A_TIME = 10_000
_WINDOW_SECONDS = 20
_CALLS_A_WINDOW = 100
_AT_ONCE = 10
_SHARED = 0.03
"""So many of the addresses are those of two leads."""

Told = dict[str, t.Any]


def measure_lookups(workshop: Workshop, count: int) -> list[Told]:
    """What roles take, by all of the rate: each address one lead's, and some that two share.

    Args:
        workshop: where the files are.
        count: roles; a lead has two or three of them.
    """
    return [_delivered(workshop, count, share) for share in (0.0, _SHARED)]


def _delivered(workshop: Workshop, count: int, shared: float) -> Told:
    leads = math.ceil(count * LEADS_A_ROLE)
    with Instance(*held(count)) as destination:
        add_leads(destination, range(leads))
        add_leads(destination, range(math.ceil(leads * shared)))
        settings = {
            "stream_objects": {"roles": "opportunity_roles"},
            "lead_lookup_field": "email",
            "lead_lookup_many": "oldest",
            "calls_per_20_seconds": _CALLS_A_WINDOW,
            "max_concurrent_calls": _AT_ONCE,
        }
        lines = workshop.role_lines(destination, count, leads)
        (usage,) = run(workshop.target(destination, **settings), stdin=lines)
        calls = destination.calls()
        roles = destination.control("status")["counts"]["roles"]
    writes = sum(call["operation"] == "sync role" for call in calls)
    fewest = math.ceil(leads / _CALL_RECORDS)
    return {
        "records": roles,
        "leads": leads,
        "shared": shared,
        "calls": len(calls),
        # Besides: what describes roles, and says by which fields leads are found.
        "lookups": len(calls) - writes - 2,
        "fewest_lookups": fewest,
        "writes": writes,
        "fewest_writes": math.ceil(count / _CALL_RECORDS),
        "refused_606": sum("606" in call["codes"] for call in calls),
        "wall_seconds": round(usage.wall_seconds, 1),
        # The last window's calls need not be waited for.
        "bound_seconds": (math.ceil(len(calls) / _CALLS_A_WINDOW) - 1) * _WINDOW_SECONDS,
    }


def add_leads(destination: Instance, numbers: range) -> None:
    """Add leads with the addresses of these numbers."""
    for start in range(0, len(numbers), _LEADS_A_TIME):
        some = numbers[start : start + _LEADS_A_TIME]
        records = [{"email": address(number)} for number in some]
        destination.control("leads", {"records": records})
