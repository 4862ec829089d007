"""Measures runs over many rate limit windows at the full rate limit, from start to end."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from measure import spread
from walls import OURS_FULL_RATE, READ, WRITE, Lane, lane_figures, run_lane

if t.TYPE_CHECKING:
    from walls import Run
    from workspace import Workspace

_LATENCY_SECONDS = 0.1


def measure_long_runs(workspace: Workspace, records: int, repeats: int) -> list[dict[str, t.Any]]:
    """Return the wall times of tap and target with start-up, and their ratio to the minimum.

    Args:
        workspace: the files of the benchmarks.
        records: number of records, such that their calls take ten windows of 20 seconds or more.
        repeats: number of runs of each.
    """
    lanes = [Lane(OURS_FULL_RATE, does, _LATENCY_SECONDS, records) for does in (READ, WRITE)]
    workspace.lines(records)
    with ThreadPoolExecutor(len(lanes)) as pool:
        runs = list(pool.map(lambda lane: run_lane(workspace, lane), lanes * repeats))
    return [_figures(lane, runs[number :: len(lanes)]) for number, lane in enumerate(lanes)]


def _figures(lane: Lane, runs: list[Run]) -> dict[str, t.Any]:
    walls = [each.usage.wall_seconds for each in runs]
    return lane_figures(lane, runs) | {
        "windows": len(lane.windows),
        "wall_seconds": spread(walls),
        "wall_of_bound": spread(wall / lane.bound_seconds for wall in walls),
    }
