"""Peak memory at two numbers of records, which should not grow with the number."""

from __future__ import annotations

import typing as t

from instances import Instance
from measure import run, spread
from workspace import instance_flags, script

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from measure import Usage
    from workspace import Workspace

TAP, TARGET = "tap", "target"


def measure_memory(workspace: Workspace, small: int, large: int, repeats: int) -> dict[str, t.Any]:
    """Return the peak memory of tap and target at two numbers of records.

    Args:
        workspace: the files of the benchmarks.
        small: the smaller number of records.
        large: the larger number of records.
        repeats: number of runs at each size.

    Returns:
        For tap and target the peaks in MiB, and the ratio of the larger size to the smaller one.
    """
    with Instance(*instance_flags(large), "--no-limits") as source:
        tap = _grown(
            lambda count: run(workspace.tap(source, count, paced=False))[0], small, large, repeats
        )
    with Instance("--no-limits") as destination:
        target = _grown(lambda count: _write(workspace, destination, count), small, large, repeats)
    return {"sizes": [small, large], TAP: tap, TARGET: target}


def _write(workspace: Workspace, destination: Instance, count: int) -> Usage:
    destination.control("reset", {})
    lines = script("lines", workspace.base, count)
    return run(lines, workspace.target(destination, paced=False))[1]


def _grown(
    peak_at: Callable[[int], Usage], small: int, large: int, repeats: int
) -> dict[str, t.Any]:
    runs = [(peak_at(small).peak_bytes, peak_at(large).peak_bytes) for _ in range(repeats)]
    return {
        "peak_mib": [
            spread((little / 2**20 for little, _ in runs), 1),
            spread((much / 2**20 for _, much in runs), 1),
        ],
        "ratio": spread(much / little for little, much in runs),
    }
