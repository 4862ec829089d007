"""Calls, each of which costs quota: what so many records take, and what bad ones add."""

from __future__ import annotations

import json
import math
import typing as t
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from instances import Instance, data_calls
from lookups import LEADS_A_ROLE, add_leads
from measure import run
from workshop import held

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workshop import Workshop

SALES_PERSON, OTHER_DATA = "718", "1003"
_CALL_RECORDS = 300
_BODY_BYTES = 1_000_000
_TEXT_BYTES = 30_000
_KNOWN_PERSON = "known"
# Calls are counted, not timed: runs beside each other do no harm.
_AT_ONCE = 3

Told = dict[str, t.Any]


def measure_calls(
    workshop: Workshop, sizes: Sequence[int], bad_counts: Sequence[int]
) -> dict[str, t.Any]:
    """Calls besides those for a token.

    Args:
        workshop: where the files are.
        sizes: how many records to read and to write.
        bad_counts: how many of a call's 300 records are bad.
    """
    for count in {*sizes, _CALL_RECORDS}:
        workshop.lines(count)
    jobs: dict[str, list[Callable[[], Told]]] = {
        "known_ids": [partial(_known_ids, workshop, count) for count in sizes],
        "upserts": [partial(_upserts, workshop, count) for count in sizes],
        "roles_by_address": [partial(_roles_by_address, workshop, count) for count in sizes],
        "long_texts": [partial(_long_texts, workshop)],
        "bad_records": [
            *(partial(_bad_sales_persons, workshop, bad, persons=bad) for bad in bad_counts),
            *(partial(_bad_sales_persons, workshop, b, persons=1) for b in bad_counts if b > 1),
            *(partial(_bad_data, workshop, bad) for bad in bad_counts),
        ],
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        under_way = {what: [pool.submit(job) for job in each] for what, each in jobs.items()}
        return {what: [each.result() for each in futures] for what, futures in under_way.items()}


def _known_ids(workshop: Workshop, count: int) -> Told:
    with Instance(*held(count)) as source:
        run(workshop.tap(source, count))
        made = len(source.calls())
    return {"records": count, "calls": made, "allowed": math.ceil(count / _CALL_RECORDS) + 2}


def _upserts(workshop: Workshop, count: int) -> Told:
    with Instance() as destination:
        run(workshop.target(destination), stdin=workshop.lines(count))
        made = len(destination.calls())
    return {"records": count, "calls": made, "allowed": math.ceil(count / _CALL_RECORDS) + 1}


def _roles_by_address(workshop: Workshop, count: int) -> Told:
    """Roles that name their lead by its address; a lead has two or three of them."""
    leads = math.ceil(count * LEADS_A_ROLE)
    with Instance(*held(count)) as destination:
        add_leads(destination, range(leads))
        lines = workshop.role_lines(destination, count, leads)
        settings = {"stream_objects": {"roles": "opportunity_roles"}, "lead_lookup_field": "email"}
        run(workshop.target(destination, **settings), stdin=lines)
        made = destination.calls()
        roles = destination.control("status")["counts"]["roles"]
    # Besides: what describes roles, and says by which fields leads are found.
    allowed = math.ceil(leads / _CALL_RECORDS) + math.ceil(count / _CALL_RECORDS) + 2
    return {"records": roles, "leads": leads, "calls": len(made), "allowed": allowed}


def _long_texts(workshop: Workshop) -> Told:
    """Records of 30 KB: a call is full by bytes long before it is by number."""
    lines = _changed(workshop, "long-texts", lambda _: {"notes": "n" * _TEXT_BYTES})
    with Instance() as destination:
        run(workshop.target(destination), stdin=lines)
        made = destination.calls()
    calls = data_calls(made)
    sent = sum(call["request_bytes"] for call in calls)
    optimum = math.ceil(sent / _BODY_BYTES) + len(made) - len(calls)
    return {"records": _CALL_RECORDS, "bytes": sent, "calls": len(made), "optimum": optimum}


def _bad_sales_persons(workshop: Workshop, bad: int, *, persons: int) -> Told:
    """Records that name a sales person whom the instance does not know, spread over a call."""
    chosen = _spread_out(bad)
    name = f"sales-persons-{bad}-{persons}"
    lines = _changed(
        workshop,
        name,
        lambda number: {
            "externalSalesPersonId": f"unknown-{chosen.index(number) % persons}"
            if number in chosen
            else _KNOWN_PERSON
        },
    )
    with Instance() as destination:
        destination.control("options", {"sales_persons": [_KNOWN_PERSON]})
        told = _delivered(workshop, destination, lines)
    return {"code": SALES_PERSON, "bad": bad, "sales_persons": persons, **told}


def _bad_data(workshop: Workshop, bad: int) -> Told:
    """Records that the call as a whole is refused for, spread over it."""
    chosen = _spread_out(bad)
    lines = _changed(
        workshop,
        f"bad-data-{bad}",
        lambda number: {"stage": "refused"} if number in chosen else {},
    )
    with Instance(script="strict_sandbox") as destination:
        return {"code": OTHER_DATA, "bad": bad, **_delivered(workshop, destination, lines)}


def _delivered(workshop: Workshop, destination: Instance, lines: Path) -> Told:
    rejects = lines.with_suffix(".rejects")
    rejects.unlink(missing_ok=True)
    target = workshop.target(destination, max_rejects=-1, rejects_path=str(rejects))
    # Where all are bad the cause may be no record's: the run stops, and says so.
    run(target, stdin=lines, accepted=(0, 1))
    return {
        "calls": len(data_calls(destination.calls())),
        "delivered": destination.control("status")["counts"]["opportunities"],
        "rejected": len(rejects.read_bytes().splitlines()) if rejects.exists() else 0,
    }


def _spread_out(bad: int) -> list[int]:
    """Which of a call's records are bad: evenly over it, none first."""
    return [(2 * number + 1) * _CALL_RECORDS // (2 * bad) for number in range(bad)]


def _changed(workshop: Workshop, name: str, change: Callable[[int], Told]) -> Path:
    """One call's records as lines, each changed by its number."""
    path = workshop.directory / f"{name}.singer"
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for line in workshop.lines(_CALL_RECORDS).read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                message["record"] |= {"notes": None, **change(number)}
                number += 1
            file.write(json.dumps(message) + "\n")
    return path
