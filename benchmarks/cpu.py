"""CPU seconds per million records, without waiting and without start-up.

Each workload runs at two sizes; the difference between the two is the cost of the additional
records. The sandbox runs in a process of its own, which is not measured.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from instances import Instance
from measure import cpu_of, run, spread
from workspace import instance_flags, script

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from measure import Usage
    from workspace import Workspace

TAP, TARGET, PAIR = "tap", "target", "tap into target"
PLAIN_TAP, PLAIN_TARGET, PLAIN_PAIR = "plain SDK tap", "plain SDK target", "plain SDK pair"
PEER_READ, PEER_WRITE = "marketorestpython, reading", "marketorestpython, writing"
BEFORE = "tap into target, the version before"
CODEC = "JSON encode/decode only"
RATIOS = {
    TAP: (PLAIN_TAP, PEER_READ, CODEC),
    TARGET: (PLAIN_TARGET, PEER_WRITE, CODEC),
    PAIR: (PLAIN_PAIR, BEFORE),
}
_MILLION = 1_000_000

Command = list[str]
Workload = t.Callable[[int], "list[Usage]"]


@dataclass(frozen=True)
class _Stage:
    """The sandbox instances of the workloads: `source` has records, `destination` is empty."""

    workspace: Workspace
    source: Instance
    destination: Instance

    def workloads(self) -> dict[str, Workload]:
        """Return the workloads by name; each is a function of the number of records to move."""
        return {
            TAP: lambda count: run(self._tap(count)),
            PLAIN_TAP: lambda count: run(self._plain_tap(count)),
            PEER_READ: lambda count: run(self._peer_read(count)),
            TARGET: lambda count: self._write(self._target(), stdin=self._lines(count)),
            PLAIN_TARGET: lambda count: run(script("plain_target"), stdin=self._lines(count)),
            PEER_WRITE: lambda count: self._write(self._peer_write(), stdin=self._lines(count)),
            PAIR: lambda count: self._write(self._tap(count), self._target()),
            PLAIN_PAIR: lambda count: run(self._plain_tap(count), script("plain_target")),
            CODEC: lambda count: run(script("codec_floor", self.workspace.base, count)),
            **({BEFORE: self._pair_before} if self.workspace.before else {}),
        }

    def _lines(self, count: int) -> Path:
        return self.workspace.lines(count)

    def _tap(self, count: int) -> Command:
        return self.workspace.tap(self.source, count, paced=False)

    def _target(self) -> Command:
        return self.workspace.target(self.destination, paced=False)

    def _pair_before(self, count: int) -> list[Usage]:
        commands = (self._tap(count), self._target())
        return self._write(*map(self.workspace.of_version_before, commands))

    def _plain_tap(self, count: int) -> Command:
        asked = {"lines": str(self.workspace.base), "count": count}
        config = self.workspace.json_file(f"plain-tap-{count}", asked)
        return script("plain_tap", "--config", config)

    def _peer_read(self, count: int) -> Command:
        config = self.workspace.config(self.source)
        values = self.workspace.values(self.source, count)
        return script("peer", "--no-sleep", config, "read", values)

    def _peer_write(self) -> Command:
        return script("peer", "--no-sleep", self.workspace.config(self.destination), "write")

    def _write(self, *commands: Command, stdin: Path | None = None) -> list[Usage]:
        """Run commands that write to the empty instance, which is reset before each run."""
        self.destination.control("reset", {})
        return run(*commands, stdin=stdin)


def measure_cpu(workspace: Workspace, small: int, large: int, repeats: int) -> dict[str, t.Any]:
    """Return the CPU times of every workload; every second round runs them in reverse order.

    Args:
        workspace: the files of the benchmarks.
        small: the smaller number of records.
        large: the larger number of records.
        repeats: number of rounds.

    Returns:
        CPU seconds per million records by workload, and the ratios of ours to the others; also to
        the version before, if the workspace has one.
    """
    with (
        Instance(*instance_flags(large), "--no-limits") as source,
        Instance("--no-limits") as destination,
    ):
        workloads = _Stage(workspace, source, destination).workloads()
        rounds = [_round(workloads, small, large, turn) for turn in range(repeats)]
    return {
        "sizes": [small, large],
        "seconds_per_million": {name: spread((r[name] for r in rounds), 1) for name in workloads},
        "ratios": {
            f"{ours} / {other}": spread(r[ours] / r[other] for r in rounds)
            for ours, others in RATIOS.items()
            for other in others
            if other in rounds[0]
        },
    }


def _round(workloads: dict[str, Workload], small: int, large: int, turn: int) -> dict[str, float]:
    names: Sequence[str] = list(workloads)
    if turn % 2:
        names = names[::-1]
    return {name: _slope(workloads[name], small, large) for name in names}


def _slope(workload: Callable[[int], list[Usage]], small: int, large: int) -> float:
    little, much = cpu_of(workload(small)), cpu_of(workload(large))
    return (much - little) / (large - small) * _MILLION
