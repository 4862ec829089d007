"""Wall time under the real limits, by the sandbox's own journal, beside the least possible."""

from __future__ import annotations

import math
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from instances import Instance, data_calls, refusals, seconds_of
from measure import FailedError, run, spread
from workshop import held, script

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from instances import Call
    from measure import Usage
    from workshop import Workshop

READ, WRITE = "read", "write"
OURS, OURS_ALONE = "marketo-opps", "marketo-opps, full rate limit"
PEER, PEER_WITHOUT_SLEEP = "marketorestpython", "marketorestpython without sleep()"
TOOLS = (OURS, OURS_ALONE, PEER, PEER_WITHOUT_SLEEP)

_WINDOW_SECONDS = 20
_CALLS_A_WINDOW = 50
"""`calls_per_20_seconds` by default: half of what the instance allows, as Adobe advises."""
_ALL_CALLS_A_WINDOW = 100
"""All that the instance allows, which marketorestpython takes without asking."""
_CALLS_AT_ONCE = 5
_CALL_RECORDS = 300
# They wait nearly all of the time; more at once than this would have them wait for each other.
_LANES = 6


@dataclass(frozen=True)
class Lane:
    """One run: who does what, at how many seconds a call, with how many records."""

    tool: str
    does: str
    latency_seconds: float
    records: int

    @property
    def calls_per_20_seconds(self) -> int:
        """The share of the rate limit that the tool may use."""
        return _CALLS_A_WINDOW if self.tool == OURS else _ALL_CALLS_A_WINDOW

    @property
    def accepted(self) -> tuple[int, ...]:
        """Exit statuses that are a result: that of another's tool which Marketo refuses is one."""
        return (0,) if self.tool in {OURS, OURS_ALONE} else (0, 1)

    @property
    def full_calls(self) -> int:
        """The least number of calls that move the records."""
        return math.ceil(self.records / _CALL_RECORDS)

    @property
    def bound_seconds(self) -> float:
        """The least time in which full calls can be made within the limits, start-up aside."""
        # Who writes has to ask what the instance takes: a describe, in the first window.
        calls = self.full_calls + (self.does == WRITE)
        # Those that may not begin before a window does have to be waited for after its beginning.
        return max(
            _WINDOW_SECONDS * window + math.ceil(left / _CALLS_AT_ONCE) * self.latency_seconds
            for window, left in enumerate(range(calls, 0, -self.calls_per_20_seconds))
        )


@dataclass(frozen=True)
class Run:
    """One run of a lane.

    Attributes:
        calls: those that the sandbox saw, but for a token.
        usage: what the process took.
        ended_by: the codes that ended it before all records were moved; empty where all were.
    """

    calls: list[Call]
    usage: Usage
    ended_by: tuple[str, ...]


def measure_walls(
    workshop: Workshop, records: Mapping[float, int], repeats: int
) -> list[dict[str, t.Any]]:
    """Every tool at every latency, side by side.

    Args:
        workshop: where the files are.
        records: how many at each latency in seconds.
        repeats: how often.

    Returns:
        For each tool, direction and latency the spread of its walls, and how they stand to the
        bound; no walls where a run was ended by Marketo's refusals, but the codes of those.
    """
    lanes = [
        Lane(tool, does, latency, count)
        for latency, count in sorted(records.items(), reverse=True)
        for tool in TOOLS
        for does in (READ, WRITE)
    ]
    for count in set(records.values()):
        workshop.lines(count)
    with ThreadPoolExecutor(_LANES) as pool:
        runs = list(pool.map(lambda lane: _run_lane(workshop, lane), lanes * repeats))
    return [_told(lane, runs[number :: len(lanes)]) for number, lane in enumerate(lanes)]


def _run_lane(workshop: Workshop, lane: Lane) -> Run:
    count = lane.records if lane.does == READ else 0
    latency_ms = str(lane.latency_seconds * 1000)
    with Instance(*held(count), "--latency-ms", latency_ms) as instance:
        command, stdin = _command(workshop, lane, instance)
        (usage,) = run(command, stdin=stdin, accepted=lane.accepted)
        calls = instance.calls()
    return Run(calls, usage, _ended_by(lane, calls))


def _ended_by(lane: Lane, calls: list[Call]) -> tuple[str, ...]:
    """Codes, each once, in the order in which they came.

    Raises:
        FailedError: not all records were moved, and no refusal tells why.
    """
    if sum(not call["codes"] for call in data_calls(calls)) >= lane.full_calls:
        return ()
    codes = tuple(dict.fromkeys(code for call in calls for code in call["codes"]))
    if not codes:
        raise FailedError(f"{lane} ended before all records were moved, and Marketo refused none.")
    return codes


def _command(workshop: Workshop, lane: Lane, instance: Instance) -> tuple[list[str], Path | None]:
    stdin = workshop.lines(lane.records) if lane.does == WRITE else None
    share = lane.calls_per_20_seconds
    if lane.tool in {OURS, OURS_ALONE}:
        if lane.does == READ:
            return workshop.tap(instance, lane.records, calls_per_20_seconds=share), stdin
        return workshop.target(instance, calls_per_20_seconds=share), stdin
    sleep = ["--no-sleep"] if lane.tool == PEER_WITHOUT_SLEEP else []
    more = [workshop.values(instance, lane.records)] if lane.does == READ else []
    return script("peer", *sleep, workshop.config(instance), lane.does, *more), stdin


def _told(lane: Lane, runs: list[Run]) -> dict[str, t.Any]:
    ended_by = list(dict.fromkeys(code for each in runs for code in each.ended_by))
    walls = [] if ended_by else [seconds_of(data_calls(each.calls)) for each in runs]
    bound = lane.bound_seconds
    return {
        "tool": lane.tool,
        "does": lane.does,
        "latency_seconds": lane.latency_seconds,
        "records": lane.records,
        "calls_per_20_seconds": lane.calls_per_20_seconds,
        "calls": max(len(each.calls) for each in runs),
        "refused_606": sum(refusals(each.calls, "606") for each in runs),
        "refused_615": sum(refusals(each.calls, "615") for each in runs),
        "ended_by": ended_by,
        "bound_seconds": round(bound, 3),
        "wall_seconds": spread(walls) if walls else None,
        "wall_of_bound": spread(wall / bound for wall in walls) if walls and bound else None,
        "peak_mib": spread((each.usage.peak_bytes / 2**20 for each in runs), 1),
    }
