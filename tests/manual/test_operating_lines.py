"""The log lines to alert on in `docs/operating.md` are written by real runs."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess

import pytest

from tests.manual.pages import page, section
from tests.pipeline.processes import Plugin, await_that

SECTION = section("What to alert on", page("operating.md"))


class Operator:
    """Runs plugins and keeps their log lines and output."""

    def __init__(self, directory) -> None:
        self._directory = directory
        self._runs = []

    def start(self, name, config, *arguments, stdin=subprocess.DEVNULL) -> Plugin:
        directory = self._directory / str(len(self._runs))
        directory.mkdir()
        with (directory / "out").open("wb") as stdout:
            self._runs.append(
                Plugin(name, config, directory, *arguments, stdin=stdin, stdout=stdout)
            )
        return self._runs[-1]

    def tap(self, config, state=None, catalog=None) -> int:
        """Run the tap to its end, and return its exit status."""
        arguments = [f"--{name}={self.file(value)}" for name, value in state_and(catalog, state)]
        return self.start("tap-marketo-opps", config, *arguments).wait()

    def file(self, value):
        path = self._directory / f"{len(list(self._directory.iterdir()))}.json"
        path.write_text(json.dumps(value))
        return path

    def state(self) -> dict:
        """Return the last state that the last run wrote."""
        lines = self.out().splitlines()
        return [json.loads(each)["value"] for each in lines if '"type":"STATE"' in each][-1]

    def out(self) -> str:
        return (self._directory / str(len(self._runs) - 1) / "out").read_text()

    def heard(self) -> list[str]:
        return [line for run in self._runs for line in run.stderr.splitlines()]


def state_and(catalog, state):
    given = {"catalog": catalog, "state": state}
    return [(name, value) for name, value in given.items() if value is not None]


@pytest.fixture
def operator(tmp_path):
    return Operator(tmp_path)


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=500, leads=40, seed=3)


@pytest.fixture
def busy_sandbox(marketo_sandbox_factory):
    """Return a sandbox that refuses one call with 606 and one with 615."""
    faults = [{"fault": code, "times": 1} for code in ("606", "615")]
    return marketo_sandbox_factory(faults=faults)


@pytest.fixture
def by_id(sandbox):
    """Return the settings of a tap by filter; one value has no opportunity."""
    ids = sandbox.instance.opportunity_ids()
    return {**sandbox.credentials, "filter_values": [*ids, "GONE"], "batch_size": 100}


def test_every_log_line_on_the_page_is_logged_as_shown(operator, sandbox, by_id, busy_sandbox):
    waiting = operator.start("tap-marketo-opps", {**by_id, **busy_sandbox.credentials})
    catalog = runs_that_find_oddities(operator, by_id)
    a_run_by_an_odd_log(operator, sandbox)
    runs_that_are_cut_short(operator, sandbox, by_id, catalog)
    a_run_that_is_stopped(operator, sandbox, by_id)
    reconciles(operator, sandbox)
    a_target_that_rejects(operator, sandbox)
    a_target_that_finds_no_lead(operator, sandbox)
    runs_with_shared_limits(operator, sandbox, by_id)
    assert waiting.wait() == 0

    heard = operator.heard()
    rows = re.findall(r"^\| `(.*?)` \| ([A-Za-z]+) \|", SECTION, re.MULTILINE)
    assert len(rows) > 15
    missing = [row for row in rows if not any(comes(*row, line) for line in heard)]
    missing = [row for row in missing if not row[0].startswith(ELSEWHERE)]
    assert missing == [], "\n".join(line for line in heard if "| INFO" not in line)


# Needs two runs and an entry that is logged late in between: tests of the tap's finding have it.
ELSEWHERE = "An entry of the activity log became visible"


def comes(told: str, where: str, line: str) -> bool:
    """Return whether a log line matches a row's text and its level or plugin."""
    level = where if where.isupper() else "INFO"
    pattern = re.escape(told).replace(re.escape("..."), ".+")
    plugin = f"{where}-marketo-opps" if where.islower() else ""
    return f"| {level} " in line and plugin in line and re.search(pattern, line) is not None


def runs_that_find_oddities(operator, by_id) -> dict:
    """Run the tap with unusual catalogs; return one with only the stream opportunities."""
    assert operator.start("tap-marketo-opps", by_id, "--discover").wait() == 0
    catalog = json.loads(operator.out())
    (found,) = [each for each in catalog["streams"] if each["tap_stream_id"] == "opportunities"]
    found["schema"]["properties"]["stage"] = {"type": ["integer", "null"]}
    assert operator.tap(by_id, catalog=catalog) == 0
    others = {**by_id, "filter_values": by_id["filter_values"][:3]}
    assert operator.tap(others, state=operator.state()) == 0
    return {"streams": [found]}


def a_run_by_an_odd_log(operator, sandbox):
    """Run the tap over a log with a gap, a missing type, missing keys and unreadable changes."""
    where = {"name": "Remove from Opportunity"}
    sandbox.fault("patch", operation="activity_types", where=where, drop=True)
    sandbox.fault("patch", operation="query opportunity", each={"marketoGUID": None})
    sandbox.fault("patch", operation="activities", each={"attributes": {"$value": []}})
    by_log = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z", **sandbox.credentials}
    assert operator.start("tap-marketo-opps", by_log, "--discover").wait() == 0
    catalog = json.loads(operator.out())
    for item in (each for stream in catalog["streams"] for each in stream["metadata"]):
        item["metadata"]["selected"] = True
    assert operator.tap(by_log, catalog=catalog) == 0
    sandbox.clear_faults()


def runs_that_are_cut_short(operator, sandbox, by_id, catalog):
    sandbox.fault("607", operation="query opportunity", skip=3)
    assert operator.tap(by_id, catalog=catalog) == 1
    state = operator.state()
    sandbox.clear_faults()
    assert operator.tap({**by_id, "batch_size": 200}, state, catalog) == 0
    newer = json.loads(json.dumps(state).replace('\\"v\\":1', '\\"v\\":99'))
    assert newer != state
    assert operator.tap(by_id, newer, catalog) == 0
    ahead = {"bookmarks": {"opportunities": {"replication_key_value": "2999-01-01T00:00:00Z"}}}
    assert operator.tap({**by_id, "start_date": "2020-01-01T00:00:00Z"}, ahead, catalog) == 0
    assert operator.tap({**by_id, "daily_call_limit": 2}) == 1


def a_run_that_is_stopped(operator, sandbox, by_id):
    sandbox.fault("slow", seconds=1)
    before = len(sandbox.journal())
    running = operator.start("tap-marketo-opps", by_id)
    await_that(lambda: len(sandbox.journal()) > before)
    running.kill(signal.SIGTERM)
    assert running.wait() == 143
    assert operator.tap({**by_id, "max_run_seconds": 1}) == 0
    sandbox.clear_faults()


def reconciles(operator, sandbox):
    """Reconcile a file with a deleted record, rewritten dates, and that of another instance."""
    guids = [each["marketoGUID"] for each in sandbox.instance.opportunities()]
    rewritten = ["marketoGUID,updatedAt", f"{guids[0]},5/7/2026 10:11"]
    other = [f"gone-{number}" for number in range(101)]
    for rows, code in (([*guids, "gone"], 0), (rewritten, 0), (other, 1)):
        path = operator.file(rows)
        path.write_text("\n".join(rows))
        settings = {"find_by": "reconcile", "reconcile_opportunities_path": str(path)}
        assert operator.tap({**sandbox.credentials, **settings}) == code


def runs_with_shared_limits(operator, sandbox, by_id):
    """Two taps with different limits in one file, which fails while they run."""
    path = operator.file(None)
    path.unlink()
    sandbox.fault("slow", seconds=1)
    settings = {**by_id, "limits_path": str(path)}
    limits = [{"calls_per_20_seconds": calls} for calls in (50, 40)]
    running = [operator.start("tap-marketo-opps", {**settings, **each}) for each in limits]
    with contextlib.closing(sqlite3.connect(path)) as file:
        await_that(lambda: rows(file, "processes") == [(2,)])
        file.execute("DROP TABLE calls")
    assert [each.wait() for each in running] == [0, 0]
    sandbox.clear_faults()


def rows(file, table):
    """Return the number of rows; none before a plugin has created the table."""
    with contextlib.suppress(sqlite3.OperationalError):
        return file.execute(f"SELECT count(*) FROM {table}").fetchall()
    return []


def a_target_that_rejects(operator, sandbox):
    records = [
        {"externalOpportunityId": "A-1", "name": "A deal", "ofNoUse": "1"},
        {"externalOpportunityId": "A-2", "name": "", "ofNoUse": None},
    ]
    config = {**sandbox.credentials, "rejects_path": "rejects.jsonl"}
    assert a_target(operator, config, opportunities=records) == 1


def a_target_that_finds_no_lead(operator, sandbox):
    deals = [{"externalOpportunityId": "A-3", "name": "A deal"}]
    roles = [{"externalOpportunityId": "A-3", "role": "Buyer", "email": "nobody@example.com"}]
    chosen = {"lead_lookup_field": "email", "stream_objects": {"roles": "opportunity_roles"}}
    config = {**sandbox.credentials, **chosen, "max_rejects": 1}
    assert a_target(operator, config, opportunities=deals, roles=roles) == 0


def a_target(operator, config, **streams) -> int:
    """Run the target over the records of streams, and return its exit status."""
    messages = []
    for stream, records in streams.items():
        schema = {"properties": {name: {} for name in records[0]}}
        about = {"stream": stream, "schema": schema, "key_properties": []}
        messages.append({"type": "SCHEMA", **about})
        messages += [{"type": "RECORD", "stream": stream, "record": each} for each in records]
    target = operator.start("target-marketo-opps", config, stdin=subprocess.PIPE)
    with target.stdin as stdin:
        stdin.write("".join(json.dumps(each) + "\n" for each in messages).encode())
    return target.wait()
