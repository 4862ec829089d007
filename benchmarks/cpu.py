"""CPU seconds per million records, waiting aside: the work itself, start-up aside too.

Each workload runs at two sizes; what the larger takes more than the smaller is what its further
records cost. The sandbox is another process and in nobody's figures.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from instances import Instance
from measure import cpu_of, run, spread
from workshop import held, script

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from measure import Usage
    from workshop import Workshop

TAP, TARGET, PAIR = "tap", "target", "tap into target"
PLAIN_TAP, PLAIN_TARGET, PLAIN_PAIR = "plain SDK tap", "plain SDK target", "plain SDK pair"
PEER_READ, PEER_WRITE = "marketorestpython, reading", "marketorestpython, writing"
CODEC = "JSON encode/decode only"
RATIOS = {
    TAP: (PLAIN_TAP, PEER_READ, CODEC),
    TARGET: (PLAIN_TARGET, PEER_WRITE, CODEC),
    PAIR: (PLAIN_PAIR,),
}
_MILLION = 1_000_000

Command = list[str]
Workload = t.Callable[[int], "list[Usage]"]


@dataclass(frozen=True)
class _Stage:
    """Where the workloads run: an instance with records, and an empty one."""

    workshop: Workshop
    source: Instance
    destination: Instance

    def workloads(self) -> dict[str, Workload]:
        """Each as a function of the number of records."""
        return {
            TAP: lambda count: run(self._tap(count)),
            PLAIN_TAP: lambda count: run(self._plain_tap(count)),
            PEER_READ: lambda count: run(self._peer_read(count)),
            TARGET: lambda count: self._write(self._target(), stdin=self._lines(count)),
            PLAIN_TARGET: lambda count: run(script("plain_target"), stdin=self._lines(count)),
            PEER_WRITE: lambda count: self._write(self._peer_write(), stdin=self._lines(count)),
            PAIR: lambda count: self._write(self._tap(count), self._target()),
            PLAIN_PAIR: lambda count: run(self._plain_tap(count), script("plain_target")),
            CODEC: lambda count: run(script("codec_floor", self.workshop.base, count)),
        }

    def _lines(self, count: int) -> Path:
        return self.workshop.lines(count)

    def _tap(self, count: int) -> Command:
        return self.workshop.tap(self.source, count, paced=False)

    def _target(self) -> Command:
        return self.workshop.target(self.destination, paced=False)

    def _plain_tap(self, count: int) -> Command:
        asked = {"lines": str(self.workshop.base), "count": count}
        config = self.workshop.json_file(f"plain-tap-{count}", asked)
        return script("plain_tap", "--config", config)

    def _peer_read(self, count: int) -> Command:
        config = self.workshop.config(self.source)
        values = self.workshop.values(self.source, count)
        return script("peer", "--no-sleep", config, "read", values)

    def _peer_write(self) -> Command:
        return script("peer", "--no-sleep", self.workshop.config(self.destination), "write")

    def _write(self, *commands: Command, stdin: Path | None = None) -> list[Usage]:
        """Every run creates all of its records, the first as well as the last."""
        self.destination.control("reset", {})
        return run(*commands, stdin=stdin)


def measure_cpu(workshop: Workshop, small: int, large: int, repeats: int) -> dict[str, t.Any]:
    """Every workload, side by side, the order turned round each time.

    Args:
        workshop: where the files are.
        small: how many records at first.
        large: how many then.
        repeats: how often.

    Returns:
        CPU seconds per million records by workload, and how ours stand to the others.
    """
    with (
        Instance(*held(large), "--no-limits") as source,
        Instance("--no-limits") as destination,
    ):
        workloads = _Stage(workshop, source, destination).workloads()
        rounds = [_round(workloads, small, large, turn) for turn in range(repeats)]
    return {
        "sizes": [small, large],
        "seconds_per_million": {name: spread((r[name] for r in rounds), 1) for name in workloads},
        "ratios": {
            f"{ours} / {other}": spread(r[ours] / r[other] for r in rounds)
            for ours, others in RATIOS.items()
            for other in others
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
