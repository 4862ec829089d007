"""The calls of an instance, collected from its journal over its restarts."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from tests.soak.api_user import USER_AGENT

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
        killed_at: monotonic seconds at which a process was killed, by its user agent.
    """

    instance: SandboxProcess
    entries: dict[tuple[int, int], Entry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    most_in_window: int = 0
    most_in_flight: int = 0
    killed_at: dict[str, float] = field(default_factory=dict)
    _made: Counter[str] = field(default_factory=Counter)
    _life: int = 0
    _finished: int = 0

    def read_calls(self) -> None:
        """Read the new calls, and again the calls that were still in flight."""
        for entry in self.instance.ask("journal", since=self._finished)["calls"]:
            number = self._life, entry["seq"]
            if number not in self.entries and entry["operation"] != IDENTITY:
                self._made[entry["user_agent"]] += 1
            self.entries[number] = entry
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
        return self._made[agent]

    def peaks(self) -> tuple[int, int]:
        """Return the peaks of our processes' calls within 20 s, and of their concurrent calls.

        A call of a killed process is over for the other processes when that process is gone.
        """
        ours = [each for each in self._calls() if each["user_agent"] != USER_AGENT]
        spans = [(each["started"], self._over(each)) for each in ours]
        return _most_in_window([start for start, _ in spans]), _most_at_once(spans)

    def processes_at_once(self) -> int:
        """Return the highest number of our processes whose calls overlap in time."""
        spans: dict[str, tuple[float, float]] = {}
        for each in self._calls():
            if (agent := each["user_agent"]) != USER_AGENT:
                first, last = spans.get(agent, (each["started"], each["started"]))
                spans[agent] = min(first, each["started"]), max(last, each["started"])
        return _most_at_once(spans.values())

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

    def _over(self, entry: Entry) -> float:
        # A call without an end was in flight when the instance was killed.
        ended = entry["started"] if entry["ended"] is None else entry["ended"]
        killed = self.killed_at.get(entry["user_agent"], ended)
        return float(max(entry["started"], min(ended, killed)))

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


def _most_at_once(spans: t.Iterable[tuple[float, float]]) -> int:
    steps = sorted(step for start, end in spans for step in ((start, 1), (end, -1)))
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most
