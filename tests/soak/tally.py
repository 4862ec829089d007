"""Counts of a soak test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of the soak test so far.

    Attributes:
        runs, finished: number of runs of the pair, and of those that succeeded.
        found_by: number of runs that succeeded, by `find_by`.
        events: number of disturbances by kind.
        findings: descriptions of wrong outcomes; any makes the soak test fail.
        peaks: peak memory in kilobytes of each plugin in each successful daily run.
        changed, gone: number of records that a reconcile emitted, and of tombstones.
        companions, companions_finished: number of taps beside the pair, and of those that
            succeeded.
        simulated_seconds: time that has passed by the instances' clocks.
    """

    runs: int = 0
    finished: int = 0
    found_by: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    peaks: dict[str, list[int]] = field(default_factory=lambda: {"tap": [], "target": []})
    changed: int = 0
    gone: int = 0
    companions: int = 0
    companions_finished: int = 0
    simulated_seconds: float = 0.0
