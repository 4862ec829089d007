"""The processes of one run, and the disturbances while they run."""

from __future__ import annotations

import signal
import time
import typing as t
from dataclasses import dataclass, field

from tests.soak.run_end import TAP, TARGET, valid_codes

if t.TYPE_CHECKING:
    from tests.pipeline.processes import Plugin, RunningPair
    from tests.soak.companions import Companion
    from tests.soak.instances import Instances
    from tests.soak.plan import Event
    from tests.soak.tally import Tally
    from tests.soak.world import World

TICK_SECONDS = 0.03
RUN_SECONDS = 600.0


@dataclass
class RunProcesses:
    """The pair and the taps beside it, and whoever disturbs them.

    Attributes:
        number: number of the run.
        pair: tap and target.
        companions: the taps beside them.
        instances: both instances, with their watches.
        world: users of the source.
        tally: counts to add to.
        killed: signal sent to each process, by `tap`, `target` or user agent.
    """

    number: int
    pair: RunningPair
    companions: list[Companion]
    instances: Instances
    world: World
    tally: Tally
    killed: dict[str, int] = field(default_factory=dict)

    def accompany(self, events: list[Event]) -> tuple[int, int]:
        """Let the events happen until all processes have ended; return the pair's exit statuses."""
        deadline = time.monotonic() + RUN_SECONDS
        while self._running():
            for event in [each for each in events if self._is_due(each)]:
                events.remove(event)
                self._happen(event)
            for watch in self.instances.watches.values():
                watch.read_calls()
            if time.monotonic() > deadline:
                said = self.pair.tap.stderr[-2000:]
                raise TimeoutError(f"run {self.number} did not end:\n{said}")
            time.sleep(TICK_SECONDS)
        return self.pair.wait()

    def invalid_ends(self) -> list[str]:
        """Return a line for each process that has ended with an exit status it must not have."""
        plugins = {TAP: self.pair.tap, TARGET: self.pair.target}
        plugins |= {each.agent: each.plugin for each in self.companions}
        return [
            f"run {self.number}: the {name} ended with {plugin.code}: {_last_line(plugin)}"
            for name, plugin in plugins.items()
            if plugin.code not in valid_codes(name, self.killed)
        ]

    def _running(self) -> bool:
        running = [self.pair.running(), *(each.plugin.running() for each in self.companions)]
        return any(running)

    def _is_due(self, event: Event) -> bool:
        agent = f"soak-{event.plugin}-{self.number}"
        return self.instances.watches[event.plugin].calls_of(agent) >= event.after_calls

    def _happen(self, event: Event) -> None:
        if event.what == "kill":
            self._kill(event)
        elif event.what == "change":
            self.world.act(event)
        elif event.what == "restart":
            self.instances.restart(event)
        else:
            self.instances.watches[event.plugin].instance.tell(event.what)
        self.tally.events[event.what] += 1

    def _kill(self, event: Event) -> None:
        plugins = {TAP: self.pair.tap, TARGET: self.pair.target}
        name, plugin = event.which, plugins.get(event.which)
        agent = f"soak-{event.which}-{self.number}"
        if plugin is None:
            companion = self.companions[event.number % len(self.companions)]
            name, agent, plugin = companion.agent, companion.agent, companion.plugin
        self.killed[name] = event.signum
        plugin.kill(event.signum)
        if event.signum == signal.SIGKILL:
            for watch in self.instances.watches.values():
                watch.killed_at.setdefault(agent, time.monotonic())


def _last_line(plugin: Plugin) -> str:
    return (plugin.stderr.splitlines() or [""])[-1]
