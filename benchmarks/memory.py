"""Peak memory at two numbers of records: it should not grow with them."""

from __future__ import annotations

import typing as t

from instances import Instance
from measure import run, spread
from workshop import held, script

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from measure import Usage
    from workshop import Workshop

TAP, TARGET = "tap", "target"


def measure_memory(workshop: Workshop, small: int, large: int, repeats: int) -> dict[str, t.Any]:
    """Tap and target, in turn.

    Args:
        workshop: where the files are.
        small: how many records at first.
        large: how many then.
        repeats: how often.

    Returns:
        For each the peaks in MiB, and the larger number's as a ratio of the smaller's.
    """
    with Instance(*held(large), "--no-limits") as source:
        tap = _grown(
            lambda count: run(workshop.tap(source, count, paced=False))[0], small, large, repeats
        )
    with Instance("--no-limits") as destination:
        target = _grown(lambda count: _write(workshop, destination, count), small, large, repeats)
    return {"sizes": [small, large], TAP: tap, TARGET: target}


def _write(workshop: Workshop, destination: Instance, count: int) -> Usage:
    destination.control("reset", {})
    lines = script("lines", workshop.base, count)
    return run(lines, workshop.target(destination, paced=False))[1]


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
