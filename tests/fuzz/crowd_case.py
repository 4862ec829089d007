"""A case of several processes at once on one instance, which share its limits by `limits_path`."""

from __future__ import annotations

import json
import signal
import typing as t
from concurrent.futures import ThreadPoolExecutor

from marketo_sandbox.options import LimitOptions
from tests.fuzz.disturbances import Kill
from tests.fuzz.quick import WINDOW_SECONDS, Sizes
from tests.fuzz.runs import FoundError, Runner, Tally
from tests.fuzz.tap_model import read_messages

if t.TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.fuzz.runs import Ended

KEY = "externalOpportunityId"
TAP, TARGET = "tap-marketo-opps", "target-marketo-opps"
TOO_MANY = {"606", "615"}


class CrowdCase:
    """An instance with small limits, two targets with different deals, and sometimes a tap.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.

    Attributes:
        settings: settings of all processes.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory, self._tally = dice, directory, tally
        calls, at_once = dice.choice([10, 25, 60]), dice.choice([1, 2, 4])
        limits = LimitOptions(
            calls_per_window=calls, window_seconds=WINDOW_SECONDS, concurrent_calls=at_once
        )
        options = {"opportunities": 40, "leads": 0, "latency_ms": dice.choice([0, 3, 10])}
        self._runner = Runner({**options, "limits": limits}, tally, directory)
        self._stored = self._runner.sandbox.instance.opportunity_ids()
        self.settings = {
            "limits_path": str(directory / "limits"),
            "calls_per_20_seconds": calls,
            "max_concurrent_calls": at_once,
        }
        self._sizes = Sizes(batch_records=dice.choice([20, 5, 2]))
        self._inputs = [self._draw_input(number) for number in range(2)]

    def play(self) -> None:
        """Run all at once, sometimes kill one; run what was killed again, and compare."""
        kill = None
        if self._dice.random() < 0.4:
            kill = Kill(signal.SIGKILL, None, self._dice.uniform(0.1, 0.6))
        with ThreadPoolExecutor(3) as pool:
            targets = [
                pool.submit(self._deliver, lines, None if number else kill)
                for number, lines in enumerate(self._inputs)
            ]
            tap = pool.submit(self._read) if self._dice.random() < 0.6 else None
        first, _ = (each.result() for each in targets)
        if first.code:
            self._deliver(self._inputs[0], None)
        if tap:
            self._check_read(tap.result())
        self._check_written()
        codes = {code for each in self._runner.sandbox.journal() for code in each["codes"]}
        # The calls of a killed process may still be in flight when others begin.
        if not kill and codes & TOO_MANY:
            raise FoundError(f"calls were refused with {codes & TOO_MANY}")

    def close(self) -> None:
        """Stop the instance."""
        self._runner.close()

    def _draw_input(self, number: int) -> list[dict[str, t.Any]]:
        count = self._dice.choice([10, 60, 150])
        return [
            {KEY: f"P{number}-{self._dice.randrange(count)}", "name": f"Deal {each}"}
            for each in range(count)
        ]

    def _deliver(self, records: list[dict[str, t.Any]], kill: Kill | None) -> Ended:
        schema = {"properties": {KEY: {}, "name": {}}}
        lines: list[t.Any] = [{"type": "SCHEMA", "stream": "opportunities", "schema": schema}]
        lines += [{"type": "RECORD", "stream": "opportunities", "record": each} for each in records]
        stdin = "".join(f"{json.dumps(each)}\n" for each in lines)
        return self._runner.run(TARGET, self.settings, stdin=stdin, kill=kill, sizes=self._sizes)

    def _read(self) -> Ended:
        way = {"find_by": "filter", "filter_values": self._stored, "batch_size": 5}
        return self._runner.run(TAP, {**self.settings, **way}, sizes=Sizes(keys=9))

    def _check_read(self, tap: Ended) -> None:
        records = [each["record"] for each in read_messages(tap.stdout) if "record" in each]
        self._compare({*self._stored}, {each[KEY] for each in records if KEY in each}, "read")

    def _check_written(self) -> None:
        due = {each[KEY]: each["name"] for lines in self._inputs for each in lines}
        found = self._runner.sandbox.instance.opportunities()
        self._compare({*due.items()}, {(each[KEY], each["name"]) for each in found}, "written")

    def _compare(self, due: set[t.Any], found: set[t.Any], what: str) -> None:
        self._tally.records += len(due)
        self._tally.lost += len(due - found)
        if due - found:
            raise FoundError(f"{len(due - found)} deals were not {what}: {[*due - found][:4]}")
