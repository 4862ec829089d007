"""Counts API calls: how many a number of records takes, and how many more bad records cost."""

from __future__ import annotations

import json
import math
import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from instances import Instance, data_calls
from lookups import LEADS_A_ROLE, add_leads
from measure import run
from workspace import instance_flags

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workspace import Workspace

SALES_PERSON, OTHER_DATA = "718", "1003"
_CALL_RECORDS = 300
_BODY_BYTES = 1_000_000
_TEXT_BYTES = 30_000
_KNOWN_PERSON = "known"
# Calls are counted, not timed, so runs may take place at the same time.
_AT_ONCE = 3
_LIST = 1

Figures = dict[str, t.Any]


def measure_calls(
    workspace: Workspace, sizes: Sequence[int], bad_counts: Sequence[int]
) -> dict[str, t.Any]:
    """Return how many API calls reads and writes make; token requests are not counted.

    Args:
        workspace: the files of the benchmarks.
        sizes: numbers of records to read and to write.
        bad_counts: numbers of bad records among the 300 of one call.
    """
    for count in {*sizes, _CALL_RECORDS}:
        workspace.lines(count)
    jobs: dict[str, list[Callable[[], Figures]]] = {
        "known_ids": [partial(_known_ids, workspace, count) for count in sizes],
        "upserts": [partial(_upserts, workspace, count) for count in sizes],
        "roles_by_address": [partial(_roles_by_address, workspace, count) for count in sizes],
        "lead_list": [partial(_lead_list, workspace, max(sizes))],
        "long_texts": [partial(_long_texts, workspace)],
        "bad_records": [
            *(partial(_bad_sales_persons, workspace, bad, persons=bad) for bad in bad_counts),
            *(partial(_bad_sales_persons, workspace, b, persons=1) for b in bad_counts if b > 1),
            *(partial(_bad_data, workspace, bad) for bad in bad_counts),
        ],
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        under_way = {what: [pool.submit(job) for job in each] for what, each in jobs.items()}
        return {what: [each.result() for each in futures] for what, futures in under_way.items()}


def _known_ids(workspace: Workspace, count: int) -> Figures:
    with Instance(*instance_flags(count)) as source:
        run(workspace.tap(source, count))
        made = len(source.calls())
    return {"records": count, "calls": made, "allowed": math.ceil(count / _CALL_RECORDS) + 2}


def _upserts(workspace: Workspace, count: int) -> Figures:
    with Instance() as destination:
        run(workspace.target(destination), stdin=workspace.lines(count))
        made = len(destination.calls())
    return {"records": count, "calls": made, "allowed": math.ceil(count / _CALL_RECORDS) + 1}


def _roles_by_address(workspace: Workspace, count: int) -> Figures:
    """Count the calls that write roles whose lead is looked up by e-mail; 2 or 3 per lead."""
    leads = math.ceil(count * LEADS_A_ROLE)
    with Instance(*instance_flags(count)) as destination:
        add_leads(destination, range(leads))
        lines = workspace.role_lines(destination, count, leads)
        settings = {"stream_objects": {"roles": "opportunity_roles"}, "lead_lookup_field": "email"}
        run(workspace.target(destination, **settings), stdin=lines)
        made = destination.calls()
        roles = destination.control("status")["counts"]["roles"]
    # The other two calls describe roles, and list the fields by which leads can be looked up.
    allowed = math.ceil(leads / _CALL_RECORDS) + math.ceil(count / _CALL_RECORDS) + 2
    return {"records": roles, "leads": leads, "calls": len(made), "allowed": allowed}


def _lead_list(workspace: Workspace, count: int) -> Figures:
    """Count the calls of a tap that finds opportunities by the roles of a static list's leads."""
    with Instance("--opportunities", str(count), "--leads", str(math.ceil(count / 2))) as source:
        roles = source.control("roles")["records"]
        roles_of = Counter(role["leadId"] for role in roles)
        leads = sorted(roles_of)
        source.control("lists", {"list": _LIST, "leads": leads})
        run(workspace.tap_of_list(source, _LIST))
        made = source.calls()
    # Roles are looked up by 300 leads at a time, and a page has at most 300 of their roles.
    role_pages = sum(
        math.ceil(
            sum(roles_of[lead] for lead in leads[start : start + _CALL_RECORDS]) / _CALL_RECORDS
        )
        for start in range(0, len(leads), _CALL_RECORDS)
    )
    found = len({role["externalOpportunityId"] for role in roles})
    lookups = math.ceil(len(leads) / _CALL_RECORDS) + math.ceil(found / _CALL_RECORDS)
    return {
        "records": found,
        "leads": len(leads),
        "calls": len(made),
        # The other two calls describe opportunities and roles.
        "allowed": lookups + role_pages + 2,
    }


def _long_texts(workspace: Workspace) -> Figures:
    """Count the calls that write records of 30 KB: a call is full before it has 300 of them."""
    lines = _changed(workspace, "long-texts", lambda _: {"notes": "n" * _TEXT_BYTES})
    with Instance() as destination:
        run(workspace.target(destination), stdin=lines)
        made = destination.calls()
    calls = data_calls(made)
    sent = sum(call["request_bytes"] for call in calls)
    optimum = math.ceil(sent / _BODY_BYTES) + len(made) - len(calls)
    return {"records": _CALL_RECORDS, "bytes": sent, "calls": len(made), "optimum": optimum}


def _bad_sales_persons(workspace: Workspace, bad: int, *, persons: int) -> Figures:
    """Count the calls for a batch in which some records name an unknown sales person (718)."""
    chosen = _spread_out(bad)
    name = f"sales-persons-{bad}-{persons}"
    lines = _changed(
        workspace,
        name,
        lambda number: {
            "externalSalesPersonId": f"unknown-{chosen.index(number) % persons}"
            if number in chosen
            else _KNOWN_PERSON
        },
    )
    with Instance() as destination:
        destination.control("options", {"sales_persons": [_KNOWN_PERSON]})
        figures = _delivered(workspace, destination, lines)
    return {"code": SALES_PERSON, "bad": bad, "sales_persons": persons, **figures}


def _bad_data(workspace: Workspace, bad: int) -> Figures:
    """Count the calls for a batch that Marketo refuses because of some records (1003)."""
    chosen = _spread_out(bad)
    lines = _changed(
        workspace,
        f"bad-data-{bad}",
        lambda number: {"stage": "refused"} if number in chosen else {},
    )
    with Instance(script="strict_sandbox") as destination:
        return {"code": OTHER_DATA, "bad": bad, **_delivered(workspace, destination, lines)}


def _delivered(workspace: Workspace, destination: Instance, lines: Path) -> Figures:
    rejects = lines.with_suffix(".rejects")
    rejects.unlink(missing_ok=True)
    target = workspace.target(destination, max_rejects=-1, rejects_path=str(rejects))
    # If all records are bad, the cause may not be a record, so the run ends with an error.
    run(target, stdin=lines, accepted=(0, 1))
    return {
        "calls": len(data_calls(destination.calls())),
        "delivered": destination.control("status")["counts"]["opportunities"],
        "rejected": len(rejects.read_bytes().splitlines()) if rejects.exists() else 0,
    }


def _spread_out(bad: int) -> list[int]:
    """Return indices for bad records among the 300 of a call: evenly spread, not index 0."""
    return [(2 * number + 1) * _CALL_RECORDS // (2 * bad) for number in range(bad)]


def _changed(workspace: Workspace, name: str, change: Callable[[int], Figures]) -> Path:
    """Write a Singer file with the records of one call, each changed as `change(index)` says."""
    path = workspace.directory / f"{name}.singer"
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for line in workspace.lines(_CALL_RECORDS).read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                message["record"] |= {"notes": None, **change(number)}
                number += 1
            file.write(json.dumps(message) + "\n")
    return path
