"""Counts calls if records wait for others: versions of one deal, bad records, roles first."""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import asdict, dataclass, replace

from instances import Instance
from measure import run

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workspace import Workspace

_KEY = "externalOpportunityId"
_CALL_RECORDS = 300
_SYNCS = ("sync opportunity", "sync role")
_NEVER_GETS_GOING = "ends at the first role"
_PERSONS, _UNKNOWN_PERSONS = 120, 10
_LEADS = 50
_ALL = "all"

Values = dict[str, t.Any]


@dataclass(frozen=True)
class Case:
    """One case of the benchmark: the records that are written, and the result.

    Attributes:
        what: the records, in words.
        records: number of records.
        good: number of records that Marketo would accept.
        allowed: maximum number of sync calls.
        before: result of an early version of the target, in which no record could wait.
        calls: number of sync calls.
        delivered: number of accepted records.
        rejected: number of records that the run reports as rejected.
    """

    what: str
    records: int
    good: int
    allowed: int
    before: str
    calls: int = 0
    delivered: int = 0
    rejected: int = 0


def measure_waiting(
    workspace: Workspace, versions: int, opportunities: int
) -> list[dict[str, t.Any]]:
    """Return for each case the number of sync calls, and of records delivered and rejected.

    Args:
        workspace: the files of the benchmarks.
        versions: number of versions of one deal.
        opportunities: number of opportunities that are written after ten roles of each.
    """
    by_case = [
        _versions(workspace, versions, bad=0),
        _versions(workspace, versions, bad=1),
        _bad_places(workspace, [0, 1, _CALL_RECORDS - 1], "the first, second and last bad"),
        _unknown_persons(workspace),
        _bad_places(workspace, list(range(_CALL_RECORDS)), "all of them bad"),
        _roles_first(workspace, opportunities, roles_each=10),
    ]
    return [asdict(case) for case in by_case]


def _versions(workspace: Workspace, count: int, *, bad: int) -> Case:
    """Write versions of one deal, one of them bad if `bad` is 1; return the case with results."""
    what = f"{count:,} versions of one deal" + (", one of them bad (1003)" if bad else "")
    case = Case(what, count, count - bad, 10 + 30 * bad, f"{count:,} calls")
    records = ({_KEY: "hot", "name": f"V{n}"} for n in range(count))
    changed = (
        one | ({"stage": "refused"} if bad and n == count // 3 else {})
        for n, one in enumerate(records)
    )
    with Instance(script="strict_sandbox") as destination:
        return _written(workspace, destination, case, _lines("deals", changed))


def _bad_places(workspace: Workspace, bad: list[int], where: str) -> Case:
    good = _CALL_RECORDS - len(bad)
    before = f"0 of {good} delivered" if good else "11 calls, then given up"
    # If Marketo accepts no part of the batch, the search is aborted.
    allowed = _searches(len(bad), _CALL_RECORDS) if good else 15
    case = Case(f"{_CALL_RECORDS} deals, {where} (1003)", _CALL_RECORDS, good, allowed, before)
    records = (_deal(n) | ({"stage": "refused"} if n in bad else {}) for n in range(_CALL_RECORDS))
    with Instance(script="strict_sandbox") as destination:
        return _written(workspace, destination, case, _lines("deals", records))


def _unknown_persons(workspace: Workspace) -> Case:
    what = f"{_CALL_RECORDS} deals of {_PERSONS} sales persons, {_UNKNOWN_PERSONS} unknown (718)"
    allowed = _searches(_UNKNOWN_PERSONS, _PERSONS)
    case = Case(what, _CALL_RECORDS, 275, allowed, "0 of 275 delivered")
    every = _PERSONS // _UNKNOWN_PERSONS
    records = (
        _deal(n) | {"externalSalesPersonId": f"P{n % _PERSONS}"} for n in range(_CALL_RECORDS)
    )
    with Instance("--no-limits") as destination:
        known = [f"P{n}" for n in range(_PERSONS) if n % every]
        destination.control("options", {"sales_persons": known})
        return _written(workspace, destination, case, _lines("deals", records))


def _roles_first(workspace: Workspace, opportunities: int, *, roles_each: int) -> Case:
    """Write all roles before their opportunities, which they need; return the case with results."""
    roles = opportunities * roles_each
    allowed = 2 * math.ceil(roles / _CALL_RECORDS) + math.ceil(opportunities / _CALL_RECORDS) + 5
    what = f"{roles:,} roles, then their {opportunities:,} deals"
    count = roles + opportunities
    case = Case(what, count, count, allowed, _NEVER_GETS_GOING)
    records = (
        {_KEY: _deal(n)[_KEY], "leadId": 1 + k, "role": f"Role {k}"}
        for n in range(opportunities)
        for k in range(roles_each)
    )
    lines = [*_lines("deal_contacts", records), *_lines("deals", map(_deal, range(opportunities)))]
    with Instance("--no-limits", "--opportunities", "0", "--leads", str(_LEADS)) as destination:
        return _written(workspace, destination, case, lines)


def _written(
    workspace: Workspace,
    destination: Instance,
    case: Case,
    lines: Iterable[Values],
) -> Case:
    """Write Singer messages to the instance; return the case with its calls and outcomes."""
    files = (workspace.directory / f"waiting.{kind}" for kind in ("singer", "states", "rejects"))
    path, states, rejects = files
    every = [*lines, {"type": "STATE", "value": _ALL}]
    path.write_text("".join(json.dumps(line) + "\n" for line in every), encoding="utf-8")
    rejects.write_bytes(b"")
    objects = {"deals": "opportunities", "deal_contacts": "opportunity_roles"}
    settings = {"max_rejects": -1, "rejects_path": str(rejects), "stream_objects": objects}
    target = workspace.target(destination, paced=False, **settings)
    # If all records are bad, and only then, the run is aborted.
    run(target, stdin=path, stdout=states, accepted=(0,) if case.good else (1,))
    made = [call for call in destination.calls() if call["operation"] in _SYNCS]
    rejected = len(rejects.read_bytes().splitlines())
    # The last STATE shows that every record was delivered or rejected.
    is_complete = json.dumps(_ALL).encode() in states.read_bytes().splitlines()
    counts = destination.control("status")["counts"]
    delivered = case.records - rejected if is_complete else counts["opportunities"]
    return replace(case, calls=len(made), delivered=delivered, rejected=rejected)


def _searches(bad: int, of: int) -> int:
    """Return the maximum number of calls to find `bad` records among `of` by bisection."""
    return 2 * bad * math.ceil(math.log2(of))


def _deal(number: int) -> Values:
    return {_KEY: f"OPP-{number:07}", "name": f"Deal {number}"}


def _lines(stream: str, records: Iterable[Values]) -> Iterator[dict[str, t.Any]]:
    """Yield a SCHEMA and the records as Singer messages, with a STATE after every 300."""
    every = (_KEY, "name", "stage", "externalSalesPersonId")
    names = every if stream == "deals" else (_KEY, "leadId", "role")
    schema = {"properties": {name: {} for name in names}}
    yield {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []}
    for number, record in enumerate(records, start=1):
        yield {"type": "RECORD", "stream": stream, "record": record}
        if number % _CALL_RECORDS == 0:
            yield {"type": "STATE", "value": {stream: number}}
