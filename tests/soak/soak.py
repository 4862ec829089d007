"""The soak test: runs of tap and target between two instances, with faults and disturbances."""

from __future__ import annotations

import time
import typing as t

from tests.fuzz.tap_model import read_messages
from tests.pipeline.processes import Pair
from tests.soak import audit
from tests.soak.companions import Companion, start_companion
from tests.soak.instances import ACTIVITY_DELAY_SECONDS, BEGIN, Instances
from tests.soak.plan import ACTIVITIES, LEAD_IDS, LEAD_LIST, RECONCILE, RunPlan, plan_run
from tests.soak.processes_of_run import RunProcesses
from tests.soak.receipts import ReceiptAudit
from tests.soak.run_end import TARGET
from tests.soak.tables import MARK, Message, Tables, data_records
from tests.soak.tally import Tally
from tests.soak.world import LIST, World

if t.TYPE_CHECKING:
    from pathlib import Path

CALLS_PER_20_SECONDS = 75
CALLS_AT_ONCE = 3
FINAL_TRIES = 5
DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
FIRST_RECONCILE_SECONDS = DAY_SECONDS


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
        self.instances = Instances(directory, seed, opportunities)
        self.world = World(self.instances.source, self.instances.destination, seed)
        self._rejects = directory / "rejects.jsonl"
        self.receipts = ReceiptAudit(directory / "receipts.jsonl", self._rejects)
        self._tables = Tables()
        self._swept = False
        # A run that resumes an interrupted run ends where the first attempt of that run began.
        self._first_began: float | None = None
        self._reconcile_at = self.instances.now() + FIRST_RECONCILE_SECONDS
        self._files: dict[str, str] = {}
        self._exported_at = 0.0

    def close(self) -> None:
        """Stop both instances."""
        self.world.close()
        self.instances.close()

    def run(self, seconds: float, runs: int) -> None:
        """Run the pair until time and number of runs are reached, then without disturbances."""
        end = time.monotonic() + seconds
        self.instances.configure()
        while time.monotonic() < end or self.tally.runs < runs:
            plan = plan_run(self.seed, self.tally.runs)
            self._one_run(plan, self._find_by(plan))
        self._finish()

    def _find_by(self, plan: RunPlan) -> str:
        if not self._swept:
            return LEAD_IDS
        if self._files:
            return plan.find_by if plan.is_patient else RECONCILE
        return RECONCILE if self.instances.now() >= self._reconcile_at else plan.find_by

    def _one_run(self, plan: RunPlan, find_by: str) -> None:
        if find_by == RECONCILE:
            self._export()
        elif self._first_began is None:
            self._first_began = self.instances.now()
        processes = self._start(find_by, plan.companions)
        codes = processes.accompany(list(plan.events))
        findings = processes.invalid_ends()
        findings += self._judge_messages(processes, find_by, is_whole=codes == (0, 0))
        if codes == (0, 0):
            findings += self._succeeded(processes, find_by)
        findings += self._judge_companions(processes)
        self.tally.findings += [f"run {self.tally.runs} ({find_by}): {each}" for each in findings]
        self.tally.runs += 1
        self._let_time_pass(plan.pause_seconds if codes == (0, 0) else plan.retry_seconds)

    # Starting

    def _export(self) -> None:
        """Write the files of a reconcile, unless it has been interrupted and goes on."""
        if not self._files:
            self._files = self._tables.export(self.directory)
            self._exported_at = self.instances.now()

    def _start(self, find_by: str, companions: tuple[str, ...]) -> RunProcesses:
        run = self.tally.runs
        pair = self._pair(find_by).start()
        beside = [self._companion(each, number) for number, each in enumerate(companions)]
        self.tally.companions += len(beside)
        return RunProcesses(run, pair, beside, self.instances, self.world, self.tally)

    def _pair(self, find_by: str) -> Pair:
        source, destination = self.instances.source, self.instances.destination
        run = self.tally.runs
        finding: dict[str, dict[str, t.Any]] = {
            ACTIVITIES: {"start_date": BEGIN},
            LEAD_IDS: {"lead_id_from": 1, "lead_id_to": self.world.last_lead},
            LEAD_LIST: {"lead_list_id": LIST},
            RECONCILE: self._files,
        }
        tap = {**self._shared(f"soak-tap-{run}"), "find_by": find_by, **finding[find_by]}
        target = {
            **self._shared(f"soak-target-{run}"),
            "rejects_path": str(self._rejects),
            "receipts_path": str(self.directory / "receipts.jsonl"),
            "max_rejects": -1,
            "hard_delete": True,
            "stream_objects": {"opportunity_roles": "opportunity_roles"},
        }
        return Pair(
            {**source.credentials, **tap, "batch_size": 60},
            {**destination.credentials, **target},
            self.directory,
            {"TAP_MARKETO_OPPS_LOGLEVEL": "DEBUG", "TARGET_MARKETO_OPPS_LOGLEVEL": "DEBUG"},
            copy_path=self._copy_path,
        )

    @property
    def _copy_path(self) -> Path:
        return self.directory / f"messages-{self.tally.runs}.singer"

    def _companion(self, find_by: str, number: int) -> Companion:
        agent = f"soak-companion-{self.tally.runs}-{number}"
        settings = {**self.instances.source.credentials, **self._shared(agent), "batch_size": 60}
        directory = self.directory / agent
        return start_companion(find_by, settings, directory, self.instances.source, self.world)

    def _shared(self, agent: str) -> dict[str, t.Any]:
        return {
            "calls_per_20_seconds": CALLS_PER_20_SECONDS,
            "max_concurrent_calls": CALLS_AT_ONCE,
            "limits_path": str(self.directory / "limits"),
            "user_agent": agent,
        }

    # Between runs

    def _judge_messages(
        self, processes: RunProcesses, find_by: str, *, is_whole: bool
    ) -> list[str]:
        messages: list[Message] = read_messages(self._copy_path.read_text())
        self._copy_path.unlink()
        self._tables.load(messages)
        if find_by == RECONCILE:
            self._count_found(messages)
        states = processes.pair.states()
        is_killed = TARGET in processes.killed
        return self.receipts.judge_run(messages, states, is_whole=is_whole, is_killed=is_killed)

    def _count_found(self, messages: list[Message]) -> None:
        marks = [bool(record.get(MARK)) for _, record in data_records(messages)]
        self.tally.gone += sum(marks)
        self.tally.changed += len(marks) - sum(marks)

    def _succeeded(self, processes: RunProcesses, find_by: str) -> list[str]:
        self.tally.finished += 1
        self.tally.found_by[find_by] += 1
        if find_by == RECONCILE:
            return self._reconciled()
        if find_by == LEAD_LIST:
            return []
        if find_by == ACTIVITIES:
            self.tally.peaks["tap"].append(processes.pair.tap.peak_kilobytes)
            self.tally.peaks["target"].append(processes.pair.target.peak_kilobytes)
        self._swept = True
        began, self._first_began = self._first_began, None
        assert began is not None
        return self.account(began - ACTIVITY_DELAY_SECONDS - 1).lost[: audit.SHOWN_AT_MOST]

    def _reconciled(self) -> list[str]:
        """Mark what the reconcile has found deleted; return what the destination still has."""
        self._tables.mark()
        self._files = {}
        self._reconcile_at = self.instances.now() + WEEK_SECONDS
        return self.ghosts(self._exported_at)[: audit.SHOWN_AT_MOST]

    def _judge_companions(self, processes: RunProcesses) -> list[str]:
        finished = [each for each in processes.companions if each.plugin.code == 0]
        self.tally.companions_finished += len(finished)
        source = self.instances.source
        return [line for each in finished for line in each.lost(source, self.world)[:3]]

    def _let_time_pass(self, seconds: float) -> None:
        self.tally.simulated_seconds += seconds
        self.instances.let_time_pass(seconds)

    # The end

    def _finish(self) -> None:
        """Run daily runs and a reconcile undisturbed, after every activity has become visible."""
        self.instances.calm()
        self._let_time_pass(3600)
        # The first of each kind may only finish an interrupted one.
        for find_by in (LEAD_IDS, ACTIVITIES) if not self._swept else (ACTIVITIES,):
            self._repeat(find_by, 2)
        self._repeat(RECONCILE, 2 if self._files else 1)
        for watch in self.instances.watches.values():
            watch.read_status()

    def _repeat(self, find_by: str, times: int) -> None:
        wanted = self.tally.found_by[find_by] + times
        for _ in range(FINAL_TRIES):
            if self.tally.found_by[find_by] < wanted:
                self._one_run(RunPlan(()), find_by)

    def account(self, until: float | None = None) -> audit.Account:
        """Compare source and destination, and return the outcome.

        Args:
            until: seconds since 1970 until which records must have been copied; None for all that
                the tap has ever found, after the last reconcile.
        """
        there, here = self._contents()
        if until is None:
            due = there.due(self.instances.now(), set(), self._tables.living_deals())
        else:
            due = there.due(until, self.world.touched_since(until), set())
        return audit.account(there, here, audit.rejected_values(self._rejects), due)

    def ghosts(self, since: float) -> list[str]:
        """Return a line for each record of the destination that was deleted before a moment."""
        return audit.ghosts(*self._contents(), self.world.touched_since(since))

    def _contents(self) -> tuple[audit.Content, audit.Content]:
        instances = self.instances
        return audit.Content.of(instances.source), audit.Content.of(instances.destination)
