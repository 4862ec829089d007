"""Processes that share an instance's limits by `limits_path`: use of the rate, fairness, CPU."""

from __future__ import annotations

import itertools
import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from instances import Instance, refusals
from measure import cpu_of, run, spread
from workspace import instance_flags

if t.TYPE_CHECKING:
    from instances import Call
    from workspace import Workspace

_WINDOW_SECONDS = 20
_CALLS_A_WINDOW = 100
_LATENCY_MS = "100"
_ALL_LIMITS = {"calls_per_20_seconds": _CALLS_A_WINDOW, "max_concurrent_calls": 10}

Told = dict[str, t.Any]


@dataclass(frozen=True)
class Sharing:
    """Size of the benchmark of shared limits.

    Attributes:
        processes: number of processes at the same time, half of them taps, half targets.
        records: number of records that each process moves.
        cpu_records: number of records of the runs whose CPU time is compared.
    """

    processes: int
    records: int
    cpu_records: int


TEN_PROCESSES = Sharing(processes=10, records=12_000, cpu_records=15_000)


def measure_sharing(workspace: Workspace, sharing: Sharing, repeats: int) -> Told:
    """Return how processes on one instance share its limits, and what that costs in CPU.

    Args:
        workspace: the files of the benchmarks.
        sharing: size of the benchmark.
        repeats: number of comparisons of CPU time with and without sharing.
    """
    return {
        "together": _together(workspace, sharing),
        "cpu": {
            kind: spread(_cpu_ratio(workspace, kind, sharing.cpu_records) for _ in range(repeats))
            for kind in ("tap", "target")
        },
    }


def _together(workspace: Workspace, sharing: Sharing) -> Told:
    workspace.lines(sharing.records)
    flags = instance_flags(sharing.records)
    with Instance(*flags, "--latency-ms", _LATENCY_MS) as instance:
        workspace.values(instance, sharing.records)
        limits = str(workspace.directory / "limits.db")
        with ThreadPoolExecutor(sharing.processes) as pool:
            running = [
                pool.submit(
                    _run,
                    workspace,
                    instance,
                    number,
                    sharing.records,
                    limits_path=limits,
                    **_ALL_LIMITS,
                )
                for number in range(sharing.processes)
            ]
            for process in running:
                process.result()
        calls = instance.calls()
    return {"processes": sharing.processes, **_use_of_limits(calls)}


def _run(
    workspace: Workspace, instance: Instance, number: int, records: int, **settings: t.Any
) -> float:
    """Run a tap (even numbers) or target, with its number as User-Agent; return CPU seconds."""
    settings |= {"user_agent": f"process/{number}"}
    if number % 2:
        command, stdin = workspace.target(instance, **settings), workspace.lines(records)
    else:
        command, stdin = workspace.tap(instance, records, **settings), None
    return cpu_of(run(command, stdin=stdin))


def _use_of_limits(calls: list[Call]) -> Told:
    """Return how fully and how fairly all processes together used the rate limit.

    Only windows in which all processes had calls to make are counted, without the first one,
    in which the processes start.
    """
    by_process: dict[str, list[float]] = {}
    for call in sorted(calls, key=lambda call: call["started"]):
        by_process.setdefault(call["user_agent"], []).append(call["started"])
    began = min(times[0] for times in by_process.values()) + _WINDOW_SECONDS
    ended = min(times[-1] for times in by_process.values())
    windows = int(max(0.0, ended - began) // _WINDOW_SECONDS)
    until = began + windows * _WINDOW_SECONDS
    made = Counter(call["user_agent"] for call in calls if began <= call["started"] < until)
    share = windows * _CALLS_A_WINDOW / len(by_process)
    gaps = [
        later - earlier
        for times in by_process.values()
        for earlier, later in itertools.pairwise(times)
        if later < until
    ]
    return {
        "calls": len(calls),
        "refused_606": refusals(calls, "606"),
        "refused_615": refusals(calls, "615"),
        "windows": windows,
        "rate_used": round(made.total() / (windows * _CALLS_A_WINDOW), 3) if windows else None,
        "smallest_share": round(min(made.values()) / share, 3) if windows else None,
        "longest_gap_seconds": round(max(gaps, default=0.0), 1),
    }


def _cpu_ratio(workspace: Workspace, kind: str, records: int) -> float:
    """Return the CPU time of a run with `limits_path` divided by that of a run without it."""
    number = ("tap", "target").index(kind)
    with (
        Instance(*instance_flags(records), "--latency-ms", _LATENCY_MS) as one,
        Instance(*instance_flags(records), "--latency-ms", _LATENCY_MS) as other,
    ):
        workspace.lines(records)
        limits = str(workspace.directory / "limits-of-one.db")
        with ThreadPoolExecutor(2) as pool:
            shared = pool.submit(
                _run, workspace, one, number, records, limits_path=limits, **_ALL_LIMITS
            )
            alone = pool.submit(_run, workspace, other, number, records, **_ALL_LIMITS)
            return shared.result() / alone.result()
