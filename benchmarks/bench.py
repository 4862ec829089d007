"""Runs all benchmarks, writes results.json and the plot, and checks the claims against the figures.

`bench.py [--size tiny|bench|full] [--only PART ...] [--before DIRECTORY] [--results FILE]
[--plot FILE]` ends with 1 if a claim does not hold. `make docs` writes docs/benchmarks.md from
results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from calls import measure_calls
from claims import claims
from cpu import measure_cpu
from long_runs import measure_long_runs
from lookups import measure_lookups
from memory import measure_memory
from plot import draw
from reconcile import measure_reconcile
from report import RESULTS
from sharing import TEN_PROCESSES, Sharing, measure_sharing
from waiting import measure_waiting
from walls import measure_walls
from workspace import Workspace

PLOT = Path(__file__).parents[1] / "docs" / "images" / "benchmarks.png"


@dataclass(frozen=True)
class Size:
    """Numbers of records and repetitions of a benchmark run.

    Attributes:
        repeats: runs of each part, except for calls, whose number is the same each time.
        wall_records: latency in seconds to number of records. There are so many that a few calls
            fall into another window of 20 seconds, or, at 2 s per call, that most of the time is
            spent waiting for responses.
        long_run_records: number of records of the runs over many windows.
        cpu_records: the smaller and the larger number of records for CPU time.
        memory_records: the smaller and the larger number of records for peak memory.
        call_records: numbers of records for counting calls.
        bad_records: numbers of bad records among the 300 of one call.
        versions: number of versions of one deal to write.
        deals: number of deals to write after ten roles of each.
        lookup_roles: number of roles whose lead is looked up by e-mail address.
        reconcile_records: the smaller and the larger number of rows of a warehouse.
        differences_each: one of this many rows in the warehouse differs from Marketo.
        sharing: size of the benchmark of processes that share the limits of one instance.
    """

    repeats: int
    wall_records: dict[float, int]
    cpu_records: tuple[int, int]
    memory_records: tuple[int, int]
    call_records: tuple[int, ...]
    bad_records: tuple[int, ...] = (0, 1, 15, 300)
    versions: int = 10_000
    deals: int = 2_000
    lookup_roles: int = 30_000
    reconcile_records: tuple[int, int] = (10_000, 30_000)
    differences_each: int = 1_000
    # 1,100 calls and, when writing, a describe: eleven windows of 100 calls, and a twelfth.
    long_run_records: int = 330_000
    sharing: Sharing = TEN_PROCESSES


SIZES = {
    "tiny": Size(
        repeats=1,
        wall_records={0.05: 600},
        cpu_records=(300, 600),
        memory_records=(300, 600),
        call_records=(301,),
        bad_records=(1,),
        versions=600,
        deals=60,
        lookup_roles=600,
        reconcile_records=(300, 600),
        differences_each=100,
        long_run_records=600,
        sharing=Sharing(processes=2, records=600, cpu_records=600),
    ),
    "bench": Size(
        repeats=3,
        wall_records={0.0: 15_600, 0.1: 15_600, 0.4: 15_600, 2.0: 4_500},
        cpu_records=(3_000, 30_000),
        memory_records=(10_000, 30_000),
        call_records=(1, 300, 301, 3_000),
    ),
    "full": Size(
        repeats=3,
        # 60,000 records are 200 calls, which take two windows even at the full rate limit.
        wall_records={0.0: 60_000, 0.1: 60_000, 0.4: 60_000, 2.0: 15_600},
        cpu_records=(30_000, 300_000),
        memory_records=(100_000, 1_000_000),
        call_records=(1, 300, 301, 3_000, 30_000),
        reconcile_records=(100_000, 1_000_000),
        lookup_roles=100_000,
        # 18 windows: five minutes after those in which processes start and end.
        sharing=Sharing(processes=10, records=54_000, cpu_records=60_000),
    ),
}


PARTS = (
    "cpu",
    "memory",
    "calls",
    "reconcile",
    "waiting",
    "lookups",
    "sharing",
    "walls",
    "long_runs",
)
"""Parts that need an idle machine come first; parts that mostly wait come last."""


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    kept = json.loads(asked.results.read_bytes()) if asked.only else {}
    if kept.get("size", asked.size) != asked.size:
        sys.exit(f"the other figures in {asked.results.name} are of --size {kept['size']}")
    with tempfile.TemporaryDirectory(prefix="marketo-opps-bench-") as directory:
        workspace = Workspace(Path(directory), asked.before)
        results = kept | measure(asked.size, workspace, asked.only)
    asked.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(results, asked.plot)
    return _hold(results)


def measure(
    size_name: str, workspace: Workspace, only: list[str] | None = None
) -> dict[str, t.Any]:
    """Run the benchmarks, or some of their parts, and return the measured figures.

    Args:
        size_name: one of `SIZES`.
        workspace: the files of the benchmarks.
        only: some of `PARTS`; None for all of them.
    """
    size = SIZES[size_name]
    results: dict[str, t.Any] = {}
    if only is None:
        results = {"size": size_name, "machine": _machine(), "repeats": size.repeats}
    parts: dict[str, t.Callable[[], t.Any]] = {
        "cpu": lambda: measure_cpu(workspace, *size.cpu_records, size.repeats),
        "memory": lambda: measure_memory(workspace, *size.memory_records, size.repeats),
        "calls": lambda: measure_calls(workspace, size.call_records, size.bad_records),
        "reconcile": lambda: measure_reconcile(
            workspace, size.reconcile_records, size.differences_each
        ),
        "waiting": lambda: measure_waiting(workspace, size.versions, size.deals),
        "lookups": lambda: measure_lookups(workspace, size.lookup_roles),
        "sharing": lambda: measure_sharing(workspace, size.sharing, size.repeats),
        "walls": lambda: measure_walls(workspace, size.wall_records, size.repeats),
        "long_runs": lambda: measure_long_runs(workspace, size.long_run_records, size.repeats),
    }
    for name in only or PARTS:
        began = time.monotonic()
        results[name] = parts[name]()
        print(f"{name}: measured in {time.monotonic() - began:.0f} s", flush=True)
    return results


def _machine() -> dict[str, t.Any]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _hold(results: dict[str, t.Any]) -> int:
    checked = claims(results)
    for claim in checked:
        print(f"{'holds ' if claim.holds else 'MISSED'}  {claim.line}")
    return 0 if all(claim.holds for claim in checked) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="bench")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="keep the other figures")
    before = "checkout of an earlier version with its .venv, whose CPU time is measured too"
    parser.add_argument("--before", type=Path, metavar="DIRECTORY", help=before)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, default=PLOT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
