"""Taps and targets as processes that share the limits of one instance by `limits_path`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time

import pytest

from tests.pipeline.processes import Plugin, await_that


class Office:
    """Processes on one instance that use one file."""

    def __init__(self, sandbox, directory, **settings):
        self.sandbox = sandbox
        self.directory = directory
        self.settings = {
            **sandbox.credentials,
            "limits_path": str(directory / "limits.db"),
            **settings,
        }
        self.ids = sandbox.instance.opportunity_ids()
        self._number = 0

    def tap(self, *arguments, **settings):
        chosen = {"filter_values": self.ids, "batch_size": 100, **settings}
        return self._start("tap-marketo-opps", chosen, *arguments)

    def target(self, number_of_records):
        schema = {"properties": {"externalOpportunityId": {}, "name": {}}}
        about = {"stream": "opportunities", "schema": schema, "key_properties": []}
        lines = [json.dumps({"type": "SCHEMA", **about})]
        for number in range(number_of_records):
            record = {"externalOpportunityId": f"new-{number}", "name": "A deal"}
            line = {"type": "RECORD", "stream": "opportunities", "record": record}
            lines.append(json.dumps(line))
        path = self.directory / "records.singer"
        path.write_text("\n".join(lines) + "\n")
        with path.open("rb") as stdin:
            return self._start("target-marketo-opps", {}, stdin=stdin)

    def calls(self):
        return [each for each in self.sandbox.journal() if each["operation"] != "identity"]

    def codes(self):
        return [code for each in self.calls() for code in each["codes"]]

    def waiting_calls(self):
        with contextlib.closing(sqlite3.connect(self.settings["limits_path"])) as file:
            return file.execute("SELECT count(*) FROM waiting").fetchone()[0]

    def _start(self, name, settings, *arguments, stdin=subprocess.DEVNULL):
        self._number += 1
        directory = self.directory / str(self._number)
        directory.mkdir()
        settings = {**self.settings, "user_agent": f"process/{self._number}", **settings}
        return Plugin(name, settings, directory, *arguments, stdin=stdin)


@pytest.mark.waits
def test_processes_at_once_stay_within_the_limits_without_an_error(
    marketo_sandbox_factory, tmp_path
):
    limits = {"calls_per_window": 12, "concurrent_calls": 2}
    sandbox = marketo_sandbox_factory(opportunities=400, leads=0, seed=3, limits=limits)
    office = Office(sandbox, tmp_path, calls_per_20_seconds=12, max_concurrent_calls=2)
    assert office.tap("--discover").wait() == 0

    running = [office.tap(), office.tap(), office.target(600)]

    assert [each.wait(90) for each in running] == [0, 0, 0]
    assert office.codes() == []
    assert 12 < len(office.calls()) <= 24
    assert sandbox.instance.opportunity_ids() > office.ids


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=300, leads=0, seed=3)


@pytest.mark.parametrize("name", ["tap", "target"])
def test_a_killed_process_does_not_hold_its_slots(sandbox, tmp_path, name):
    office = Office(sandbox, tmp_path, max_concurrent_calls=1)
    sandbox.fault("slow", seconds=8, times=1)
    holding = office.tap() if name == "tap" else office.target(300)
    await_that(lambda: sandbox.instance.limits.in_flight == 1)
    waiting = office.tap()
    await_that(lambda: office.waiting_calls() > 0)

    holding.kill()
    holding.wait()
    killed_at = time.monotonic()
    await_that(lambda: any(each["user_agent"] == "process/2" for each in office.calls()))

    # Its call would keep the slot for 8 seconds.
    assert time.monotonic() - killed_at < 5
    assert waiting.wait() == 0
