"""Measures wall times under Marketo's real limits, and computes the theoretical minimum."""

from __future__ import annotations

import math
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from instances import Instance, data_calls, refusals, seconds_of
from measure import FailedError, run, spread
from workspace import instance_flags, script

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from instances import Call
    from measure import Usage
    from workspace import Workspace

READ, WRITE = "read", "write"
OURS, OURS_FULL_RATE = "marketo-opps", "marketo-opps, full rate limit"
PEER, PEER_WITHOUT_SLEEP = "marketorestpython", "marketorestpython without sleep()"
TOOLS = (OURS, OURS_FULL_RATE, PEER, PEER_WITHOUT_SLEEP)

_WINDOW_SECONDS = 20
_CALLS_A_WINDOW = 50
"""`calls_per_20_seconds` by default: half of what the instance allows, as Adobe advises."""
_ALL_CALLS_A_WINDOW = 100
"""The whole rate limit of the instance, which marketorestpython uses without a setting."""
_CALLS_AT_ONCE = 5
_CALL_RECORDS = 300
# Lanes spend most of their time waiting; with more at once they would delay each other.
_LANES = 6


@dataclass(frozen=True)
class Lane:
    """One measured combination of tool, direction, latency per call, and number of records."""

    tool: str
    does: str
    latency_seconds: float
    records: int

    @property
    def calls_per_20_seconds(self) -> int:
        """Return how many calls the tool may make in 20 seconds: half or all of the rate limit."""
        return _CALLS_A_WINDOW if self.tool == OURS else _ALL_CALLS_A_WINDOW

    @property
    def accepted(self) -> tuple[int, ...]:
        """Return the exit statuses that are not failures: 0; for marketorestpython 1 as well."""
        return (0,) if self.tool in {OURS, OURS_FULL_RATE} else (0, 1)

    @property
    def full_calls(self) -> int:
        """Return the minimum number of calls for the records, at 300 records per call."""
        return math.ceil(self.records / _CALL_RECORDS)

    @property
    def windows(self) -> range:
        """Return for each rate limit window the number of calls left when it begins."""
        # A target has to describe the object first, which is a call in the first window.
        return range(self.full_calls + (self.does == WRITE), 0, -self.calls_per_20_seconds)

    @property
    def bound_seconds(self) -> float:
        """Return the theoretical minimum of the wall time within the limits, without start-up."""
        # The calls of the last window begin after all windows before it have passed.
        return max(
            _WINDOW_SECONDS * window + math.ceil(left / _CALLS_AT_ONCE) * self.latency_seconds
            for window, left in enumerate(self.windows)
        )


@dataclass(frozen=True)
class Run:
    """Result of one run of a lane, which is a combination of tool, direction and latency.

    Attributes:
        calls: the calls that the sandbox received, without those for a token.
        usage: resource usage of the process.
        ended_by: codes that ended the run before all records were moved; empty if all were.
    """

    calls: list[Call]
    usage: Usage
    ended_by: tuple[str, ...]


def measure_walls(
    workspace: Workspace, records: Mapping[float, int], repeats: int
) -> list[dict[str, t.Any]]:
    """Measure the wall time of every tool at every latency, several at the same time.

    Args:
        workspace: the files of the benchmarks.
        records: latency in seconds to number of records.
        repeats: number of runs of each lane.

    Returns:
        For each tool, direction and latency the spread of its wall times, and the ratio to the
        minimum; if Marketo's refusals ended a run, no wall times but the codes.
    """
    lanes = [
        Lane(tool, does, latency, count)
        for latency, count in sorted(records.items(), reverse=True)
        for tool in TOOLS
        for does in (READ, WRITE)
    ]
    for count in set(records.values()):
        workspace.lines(count)
    with ThreadPoolExecutor(_LANES) as pool:
        runs = list(pool.map(lambda lane: run_lane(workspace, lane), lanes * repeats))
    return [lane_figures(lane, runs[number :: len(lanes)]) for number, lane in enumerate(lanes)]


def run_lane(workspace: Workspace, lane: Lane) -> Run:
    """Run the tool of a lane with an instance of its own; return its calls and resource usage."""
    count = lane.records if lane.does == READ else 0
    latency_ms = str(lane.latency_seconds * 1000)
    with Instance(*instance_flags(count), "--latency-ms", latency_ms) as instance:
        command, stdin = _command(workspace, lane, instance)
        (usage,) = run(command, stdin=stdin, accepted=lane.accepted)
        calls = instance.calls()
    return Run(calls, usage, _ended_by(lane, calls))


def _ended_by(lane: Lane, calls: list[Call]) -> tuple[str, ...]:
    """Return the error codes that ended a run early; empty if all records were moved.

    Raises:
        FailedError: not all records were moved, although Marketo refused no call.
    """
    if sum(not call["codes"] for call in data_calls(calls)) >= lane.full_calls:
        return ()
    codes = tuple(dict.fromkeys(code for call in calls for code in call["codes"]))
    if not codes:
        raise FailedError(f"{lane} ended before all records were moved, and Marketo refused none.")
    return codes


def _command(workspace: Workspace, lane: Lane, instance: Instance) -> tuple[list[str], Path | None]:
    stdin = workspace.lines(lane.records) if lane.does == WRITE else None
    share = lane.calls_per_20_seconds
    if lane.tool in {OURS, OURS_FULL_RATE}:
        if lane.does == READ:
            return workspace.tap(instance, lane.records, calls_per_20_seconds=share), stdin
        return workspace.target(instance, calls_per_20_seconds=share), stdin
    sleep = ["--no-sleep"] if lane.tool == PEER_WITHOUT_SLEEP else []
    more = [workspace.values(instance, lane.records)] if lane.does == READ else []
    return script("peer", *sleep, workspace.config(instance), lane.does, *more), stdin


def lane_figures(lane: Lane, runs: list[Run]) -> dict[str, t.Any]:
    """Return the figures of a lane from its runs; wall times begin with the first data call."""
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
