"""The calls of an instance, collected from its journal over its restarts."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from tests.pipeline.sandbox_process import SandboxProcess

WINDOW_SECONDS = 20.0
IDENTITY = "identity"
LIMIT_CODES = {"606", "615", "607"}

Entry = dict[str, t.Any]


@dataclass
class Watch:
    """Collect the calls and problems of one instance by reading its journal repeatedly.

    Attributes:
        instance: the instance.
        entries: all calls, by number of the restart and number of the call since then.
        problems: exceptions in the sandbox, and calls to unknown paths.
        most_in_window, most_in_flight: highest counts of the instance's own limits.
    """

    instance: SandboxProcess
    entries: dict[tuple[int, int], Entry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    most_in_window: int = 0
    most_in_flight: int = 0
    _life: int = 0
    _finished: int = 0

    def read_calls(self) -> None:
        """Read the new calls, and again the calls that were still in flight."""
        for entry in self.instance.ask("journal", since=self._finished)["calls"]:
            self.entries[self._life, entry["seq"]] = entry
        while self.entries.get((self._life, self._finished + 1), {}).get("ended") is not None:
            self._finished += 1

    def read_status(self) -> None:
        """Read the peaks and problems that the instance counts itself, before it is stopped."""
        self.read_calls()
        status = self.instance.ask("status")
        self.problems += status["problems"]
        limits = status["limits"]
        self.most_in_window = max(self.most_in_window, limits["most_in_window"])
        self.most_in_flight = max(self.most_in_flight, limits["most_in_flight"])

    def restarted(self) -> None:
        """Note that the instance was restarted, so that its numbering of calls starts again."""
        self._life += 1
        self._finished = 0

    def calls_of(self, agent: str) -> int:
        """Return the number of calls of a program, without identity calls."""
        return sum(1 for entry in self._calls() if entry["user_agent"] == agent)

    def peaks(self, prefix: str) -> tuple[int, int]:
        """Return the peaks of a process's calls within 20 s and of its concurrent calls."""
        starts: dict[str, list[float]] = {}
        at_once = 0
        for entry in self._calls():
            if entry["user_agent"].startswith(prefix):
                starts.setdefault(entry["user_agent"], []).append(entry["started"])
                at_once = max(at_once, entry["in_flight"])
        return max(map(_most_in_window, starts.values()), default=0), at_once

    def faults(self) -> Counter[str]:
        """Return the number of injected faults, by name."""
        return Counter(entry["fault"] for entry in self.entries.values() if entry["fault"])

    def calls(self) -> int:
        """Return the number of calls, without identity calls."""
        return sum(1 for _ in self._calls())

    def exceeded(self) -> list[str]:
        """Return the refusals for an exceeded limit that were not injected faults."""
        return [
            f"{self.instance.name} refused {entry['path']} with {', '.join(entry['codes'])}"
            for entry in self._calls()
            if not entry["fault"] and LIMIT_CODES.intersection(entry["codes"])
        ]

    def _calls(self) -> t.Iterator[Entry]:
        return (entry for entry in self.entries.values() if entry["operation"] != IDENTITY)


def _most_in_window(starts: list[float]) -> int:
    starts.sort()
    first = most = 0
    for index, start in enumerate(starts):
        while start - starts[first] >= WINDOW_SECONDS:
            first += 1
        most = max(most, index - first + 1)
    return most
