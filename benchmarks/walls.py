"""Wall time under the real limits, by the sandbox's own journal, beside the least possible."""

from __future__ import annotations

import math
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from instances import Instance, data_calls, refusals, seconds_of
from measure import run, spread
from workshop import held, script

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from instances import Call
    from measure import Usage
    from workshop import Workshop

READ, WRITE = "read", "write"
OURS, OURS_ALONE = "marketo-opps", "marketo-opps, all of the rate"
PEER, PEER_WITHOUT_SLEEP = "marketorestpython", "marketorestpython, its sleep taken out"
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
    def bound_seconds(self) -> float:
        """The least time in which full calls can be made within the limits, start-up aside."""
        calls = math.ceil(self.records / _CALL_RECORDS)
        # Those that may not begin before a window does have to be waited for after its beginning.
        return max(
            _WINDOW_SECONDS * window + math.ceil(left / _CALLS_AT_ONCE) * self.latency_seconds
            for window, left in enumerate(range(calls, 0, -self.calls_per_20_seconds))
        )


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
        bound.
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


def _run_lane(workshop: Workshop, lane: Lane) -> tuple[list[Call], Usage]:
    count = lane.records if lane.does == READ else 0
    latency_ms = str(lane.latency_seconds * 1000)
    with Instance(*held(count), "--latency-ms", latency_ms) as instance:
        command, stdin = _command(workshop, lane, instance)
        (usage,) = run(command, stdin=stdin)
        return instance.calls(), usage


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


def _told(lane: Lane, runs: list[tuple[list[Call], Usage]]) -> dict[str, t.Any]:
    walls = [seconds_of(data_calls(calls)) for calls, _ in runs]
    bound = lane.bound_seconds
    return {
        "tool": lane.tool,
        "does": lane.does,
        "latency_seconds": lane.latency_seconds,
        "records": lane.records,
        "calls_per_20_seconds": lane.calls_per_20_seconds,
        "calls": max(len(calls) for calls, _ in runs),
        "refused_606": sum(refusals(calls, "606") for calls, _ in runs),
        "refused_615": sum(refusals(calls, "615") for calls, _ in runs),
        "bound_seconds": round(bound, 3),
        "wall_seconds": spread(walls),
        "wall_of_bound": spread(wall / bound for wall in walls) if bound else None,
        "peak_mib": spread((usage.peak_bytes / 2**20 for _, usage in runs), 1),
    }
