"""The soak test: runs of tap and target between two instances, with faults and disturbances."""

from __future__ import annotations

import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.pipeline.processes import Pair, RunningPair
from tests.pipeline.sandbox_process import SandboxProcess
from tests.soak import audit
from tests.soak.plan import Event, RunPlan, plan_run
from tests.soak.watch import Watch
from tests.soak.world import KNOWN_SALES_PERSONS, World

if t.TYPE_CHECKING:
    from pathlib import Path

BEGIN = "2026-03-01T06:00:00+00:00"
CALLS_PER_20_SECONDS = 40
CALLS_AT_ONCE = 5
# Killed runs leave their calls in the rate limit window, so the next run waits until it has room.
ROOM_FROM = 40
TICK_SECONDS = 0.03
# An activity may become visible late, but within the tap's default overlap of 600 s.
ACTIVITY_DELAY_SECONDS = 240
RUN_SECONDS = 600.0
FINAL_TRIES = 3

# Together one call in ten. 606 is rare, because it makes the client wait for seconds.
FAULTS: list[dict[str, t.Any]] = [
    {"fault": "606", "probability": 0.002},
    {"fault": "615", "probability": 0.004},
    *({"fault": code, "probability": 0.006} for code in ("500", "502", "604", "608", "614")),
    {"fault": "611", "probability": 0.006, "after": True},
    {"fault": "713", "probability": 0.008, "after": True},
    {"fault": "http_502", "probability": 0.006, "after": True},
    {"fault": "http_503", "probability": 0.006},
    {"fault": "html", "probability": 0.006, "status": 502},
    {"fault": "cut_before", "probability": 0.008},
    {"fault": "cut_after_write", "probability": 0.01},
    {"fault": "truncated_body", "probability": 0.008},
    {"fault": "drop_keep_alive", "probability": 0.008},
    {"fault": "slow", "probability": 0.01, "seconds": 0.4},
    {"fault": "expire_tokens", "probability": 0.006},
    {"fault": "expire_page_tokens", "probability": 0.004},
]


@dataclass
class Tally:
    """Counts of the soak test so far.

    Attributes:
        findings: descriptions of wrong outcomes; any makes the soak test fail.
        peaks: peak memory in kilobytes of each plugin in each successful daily run.
    """

    runs: int = 0
    finished: int = 0
    events: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    peaks: dict[str, list[int]] = field(default_factory=lambda: {"tap": [], "target": []})
    simulated_seconds: float = 0.0


class Soak:
    """Two instances, tap and target between them, and the disturbances of their runs.

    Args:
        seed: random seed of the whole test.
        directory: directory for databases, state and output.
        opportunities: number of opportunities in the source at the start.
    """

    def __init__(self, seed: int, directory: Path, opportunities: int) -> None:
        self.seed = seed
        self.directory = directory
        self.tally = Tally()
        options = ("--seed", str(seed), "--latency-ms", "40", "--clock", BEGIN)
        leads = str(opportunities // 2)
        self.source = SandboxProcess(
            directory, "source", *options, "--opportunities", str(opportunities), "--leads", leads
        )
        self.destination = SandboxProcess(directory, "destination", *options)
        self.watches = {"tap": Watch(self.source), "target": Watch(self.destination)}
        self.world = World(self.source, seed)
        self.rejects = directory / "rejects.jsonl"
        self._swept = False
        self._killed: dict[str, int] = {}
        # A run that resumes an interrupted run ends where the first attempt of that run began.
        self._first_began: float | None = None

    def close(self) -> None:
        """Stop both instances."""
        self.world.close()
        self.source.close()
        self.destination.close()

    def run(self, seconds: float) -> None:
        """Run the pair until the time is up, then once without disturbances; audit the records."""
        end = time.monotonic() + seconds
        for watch in self.watches.values():
            self._configure(watch.instance)
        while time.monotonic() < end:
            self._one_run(plan_run(self.seed, self.tally.runs))
        self._finish()

    def _one_run(self, plan: RunPlan) -> None:
        sweep = plan.sweep or not self._swept
        if self._first_began is None:
            self._first_began = self._clock(self.source).timestamp()
        self._killed.clear()
        pair = self._pair(sweep=sweep).start()
        self._accompany(pair, list(plan.events))
        codes = pair.wait()
        self.tally.runs += 1
        self._judge_end(pair, codes)
        if codes == (0, 0):
            self._swept = True
            self.tally.finished += 1
            self._remember_peaks(pair, sweep=sweep)
            self._judge_delivery(self._first_began)
            self._first_began = None
        pause = plan.pause_seconds if codes == (0, 0) else plan.retry_seconds
        self._let_time_pass(pause)
        self._await_room()

    def _pair(self, *, sweep: bool) -> Pair:
        run = self.tally.runs
        shared = {
            "calls_per_20_seconds": CALLS_PER_20_SECONDS,
            "max_concurrent_calls": CALLS_AT_ONCE,
        }
        find = {"find_by": "activities", "start_date": BEGIN}
        if sweep:
            find = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": self.world.leads}
        agents = {"tap": f"soak-tap-{run}", "target": f"soak-target-{run}"}
        tap = {**self.source.credentials, **shared, **find, "user_agent": agents["tap"]}
        target = {**self.destination.credentials, **shared, "user_agent": agents["target"]}
        return Pair(
            {**tap, "batch_size": 60},
            {**target, "rejects_path": str(self.rejects), "max_rejects": -1},
            self.directory,
            {"TAP_MARKETO_OPPS_LOGLEVEL": "DEBUG", "TARGET_MARKETO_OPPS_LOGLEVEL": "DEBUG"},
        )

    # While tap and target run.

    def _accompany(self, pair: RunningPair, events: list[Event]) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while pair.running():
            for event in [each for each in events if self._is_due(each)]:
                events.remove(event)
                self._happen(event, pair)
            for watch in self.watches.values():
                watch.read_calls()
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {self.tally.runs} did not end:\n{pair.tap.stderr[-2000:]}")
            time.sleep(TICK_SECONDS)

    def _is_due(self, event: Event) -> bool:
        agent = f"soak-{event.plugin}-{self.tally.runs}"
        return self.watches[event.plugin].calls_of(agent) >= event.after_calls

    def _happen(self, event: Event, pair: RunningPair) -> None:
        if event.what == "kill":
            self._killed[event.which] = event.signum
            (pair.tap if event.which == "tap" else pair.target).kill(event.signum)
        elif event.what == "change":
            self.world.act(event)
        elif event.what == "restart":
            self._restart(self.watches[event.plugin], event)
        else:
            self.watches[event.plugin].instance.tell(event.what)
        self.tally.events[event.what] += 1

    def _restart(self, watch: Watch, event: Event) -> None:
        watch.read_status()
        clock = self._clock(watch.instance)
        watch.instance.stop(event.signum)
        time.sleep(event.seconds)
        watch.instance.start((clock + timedelta(seconds=event.seconds)).isoformat())
        watch.restarted()
        self._configure(watch.instance)

    def _configure(self, instance: SandboxProcess) -> None:
        instance.tell("faults", FAULTS)
        if instance is self.source:
            options = {"activity_delay_seconds": ACTIVITY_DELAY_SECONDS, "short_pages": 0.1}
            instance.tell("options", options)
        else:
            instance.tell("options", {"sales_persons": list(KNOWN_SALES_PERSONS)})

    # Between runs.

    def _judge_end(self, pair: RunningPair, codes: tuple[int, int]) -> None:
        for plugin, code, allowed in (
            ("tap", codes[0], _tap_codes(self._killed)),
            ("target", codes[1], _target_codes(self._killed)),
        ):
            if code not in allowed:
                said = (pair.tap if plugin == "tap" else pair.target).stderr.splitlines() or [""]
                self.tally.findings.append(
                    f"run {self.tally.runs - 1}: the {plugin} ended with {code}: {said[-1]}"
                )

    def _judge_delivery(self, began: float) -> None:
        until = began - ACTIVITY_DELAY_SECONDS - 1
        lost = audit.account(self.source, self.destination, self.rejects, until).lost
        shown = lost[: audit.SHOWN_AT_MOST]
        run = self.tally.runs - 1
        self.tally.findings += [f"after run {run}, which succeeded: {line}" for line in shown]

    def _remember_peaks(self, pair: RunningPair, *, sweep: bool) -> None:
        if not sweep:
            self.tally.peaks["tap"].append(pair.tap.peak_kilobytes)
            self.tally.peaks["target"].append(pair.target.peak_kilobytes)

    def _let_time_pass(self, seconds: float) -> None:
        self.tally.simulated_seconds += seconds
        for instance in (self.source, self.destination):
            instance.tell("clock", {"advance": seconds})

    def _await_room(self) -> None:
        for instance in (self.source, self.destination):
            while instance.ask("status")["limits"]["in_window"] > ROOM_FROM:
                time.sleep(0.2)

    def _clock(self, instance: SandboxProcess) -> datetime:
        return datetime.fromisoformat(instance.ask("clock")["now"])

    # The end.

    def _finish(self) -> None:
        """Run the pair without faults and disturbances, after every activity has become visible."""
        for watch in self.watches.values():
            watch.instance.clear_faults()
        self._let_time_pass(3600)
        self._await_room()
        quiet = RunPlan((), sweep=False, pause_seconds=0, retry_seconds=60)
        # The first run may only finish an interrupted one.
        wanted = self.tally.finished + 2
        for _ in range(FINAL_TRIES):
            if self.tally.finished < wanted:
                self._one_run(quiet)
        for watch in self.watches.values():
            watch.read_status()

    def account(self) -> audit.Account:
        """Compare source and destination, and return the outcome."""
        until = self._clock(self.source).timestamp()
        return audit.account(self.source, self.destination, self.rejects, until)


def _own_codes(signum: int | None) -> set[int]:
    """Return the exit statuses that a plugin may have after a signal, or without one.

    A plugin may have finished before the signal, or may not have installed its handler yet.
    """
    return {0} if signum is None else {0, -signum, 128 + signum}


def _target_codes(killed: t.Mapping[str, int]) -> set[int]:
    """Return the valid exit statuses of the target; 1 if a killed tap left an incomplete line."""
    return _own_codes(killed.get("target")) | ({1} if "tap" in killed else set())


def _tap_codes(killed: t.Mapping[str, int]) -> set[int]:
    """Return the valid exit statuses of the tap; 1 if its reader is gone."""
    return _own_codes(killed.get("tap")) | ({1} if "target" in killed else set())
