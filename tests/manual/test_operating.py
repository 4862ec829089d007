"""`docs/operating.md`: its commands, log lines and sums."""

from __future__ import annotations

import fcntl
import json
import math
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml
from meltano.core.state_store import StateBackend

from marketo_opps.plugin.settings import SHARED_SETTINGS
from tap_marketo_opps.settings import TAP_SETTINGS
from tests.manual.pages import END_SECONDS, blocks, page, section
from tests.pipeline.compare import keys_with_a_role
from tests.pipeline.meltano_project import own_project
from tests.pipeline.processes import await_that

PAGE = page("operating.md")
STATE_ID = "prod:tap-marketo-opps-to-target-postgres"
LEADS = 120
# A dozen runs of Meltano, on a machine that may be busy.
SECONDS = 600
# By default: 50 in 20 seconds.
CALLS_A_MINUTE = 150
# What a warehouse's loader does: it keeps the records, and prints a state once they are kept.
# One process, for a shell that is killed would leave its pipe behind, which Meltano waits for.
LOADER = r"""exec awk '{ print >> "loaded.jsonl" }
/^[{]"type": *"STATE"/ {
  sub(/^[{]"type": *"STATE", *"value": */, ""); sub(/[}]$/, ""); fflush(); print; fflush() }'"""


@pytest.fixture
def source(marketo_sandbox_factory):
    # A log so short that a run by activities cannot find everything.
    return marketo_sandbox_factory(
        opportunities=700, leads=LEADS, seed=3, activity_retention_days=90
    )


@pytest.fixture
def reader(source, reader_of):
    """Return a reader with a Meltano project whose loader is a stand-in."""
    reader = reader_of(
        PAGE,
        # As many leads as the sandbox has, and not two hours to wait.
        {
            "TO=2000000": f"TO={LEADS}",
            "--timeout 7200": "--timeout 3",
            "_SECONDS=7200": "_SECONDS=1",
        },
        {f"TAP_MARKETO_OPPS_{name.upper()}": value for name, value in source.credentials.items()},
    )
    reader.has("target-postgres", LOADER)
    reader.has("target-jsonl", LOADER)
    (reader.directory / "meltano.yml").write_text(project())
    (reader.directory / "tap.json").write_text(
        json.dumps({**source.credentials, "start_date": "2020-01-01T00:00:00Z"})
    )
    return reader


def project() -> str:
    """Return this repository's project with the environment and loader of the page."""
    whole = own_project()
    whole["environments"] = [{"name": "prod"}]
    loader = {"name": "target-postgres", "namespace": "target_postgres"}
    whole["plugins"]["loaders"] = [{**loader, "executable": "target-postgres"}]
    return yaml.safe_dump({**whole, "default_environment": "prod"}, sort_keys=False)


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def loaded(reader) -> set[str]:
    """Return the opportunities that were loaded since the last call."""
    path = reader.directory / "loaded.jsonl"
    messages = lines_of(path)
    path.unlink()
    return {
        each["record"]["externalOpportunityId"]
        for each in messages
        if each["type"] == "RECORD" and each["stream"] == "opportunities"
    }


def calls(source, since=0) -> list[str]:
    """Return the operations called, without authentication."""
    operations = [call["operation"] for call in source.journal(since)]
    return [each for each in operations if each != "identity"]


def changed_long_ago(source) -> set[str]:
    """Change some opportunities outside of the log's overlap, and return their IDs."""
    source.advance(3600)
    changed = sorted(keys_with_a_role(source))[:5]
    source.instance.change(changed, {"nextStep": "Sign"})
    source.advance(3600)
    return set(changed)


def state_in(path) -> dict:
    return json.loads(path.read_text())["bookmarks"]["opportunities"]


@pytest.mark.timeout(SECONDS)
def test_commands_on_the_page_do_what_it_says(reader, source):
    a_run_during_which_another_is_refused(reader, source)
    assert loaded(reader) == keys_with_a_role(source)

    changed = changed_long_ago(source)
    told = reader.does("meltano run").stderr
    assert f"Continuing after the sweep of lead_ids 1-{LEADS}, from " in told
    assert changed <= loaded(reader)

    source.instance.add_to_list(1001, {role["leadId"] for role in source.instance.roles()})
    reader.does("FIND_BY=lead_list")
    assert loaded(reader) == keys_with_a_role(source)

    everything = source.instance.opportunity_ids()
    (reader.directory / "ids.txt").write_text("".join(f"{each}\n" for each in everything))
    reader.does("FIND_BY=filter")
    assert loaded(reader) == set(everything)

    reader.does("meltano job add", "meltano schedule add")
    before = len(source.journal())
    reader.does("meltano schedule run")
    assert loaded(reader) == set()
    assert len(calls(source, before)) == 6

    the_states_of_the_page(reader)
    the_plain_pipe_of_the_page(reader, source, changed)

    before = len(source.journal())
    reader.does("--full-refresh")
    assert loaded(reader) == keys_with_a_role(source)
    source.use_calls(1_000)
    assert re.fullmatch(r"[\d,]+ calls today, .*\n", reader.does("calls_today()").stdout)

    the_lines_for_machines(reader)
    the_report_of_each_run(reader)
    the_run_that_is_stopped(reader, source)

    told = reader.does("--version", "--test").stdout
    assert "tap-marketo-opps v" in told
    assert "ok      credentials" in told


def a_run_during_which_another_is_refused(reader, source):
    # So slow that it is under way until the fault is taken back.
    source.fault("slow", seconds=3)
    first = reader.starts("FIND_BY=lead_ids", "meltano run")
    await_that(source.journal, END_SECONDS)

    told = reader.tries("meltano run tap-marketo-opps target-postgres", code=1).stderr

    assert re.search(r"Another '.*' pipeline is already running", told)[0] in PAGE
    source.clear_faults()
    first.ends()


def the_states_of_the_page(reader):
    told = reader.does("state list", "state get", "state copy").stdout.splitlines()
    assert told == [STATE_ID, f"{STATE_ID}:by-id"]
    reader.does("state set")
    reader.does("state clear")
    reader.does("state export", "state import")
    kept = sorted(path.parent.name for path in (reader.directory / "state").rglob("state.json"))
    assert kept == [STATE_ID, f"{STATE_ID}:by-id"]


def the_plain_pipe_of_the_page(reader, source, changed):
    reader.does("cat > move.sh", "--discover")
    # The log does not go back to the beginning.
    reader.tries("bash move.sh")
    assert changed <= loaded(reader) < keys_with_a_role(source)
    kept = reader.directory / "state.json"
    kept.unlink()

    reader.does("FIND_BY=lead_ids", "bash move.sh")
    assert loaded(reader) == keys_with_a_role(source)
    told = reader.does("bash move.sh").stderr
    assert f"Continuing after the sweep of lead_ids 1-{LEADS}, from " in told
    assert state_in(kept)["found_by"] == "activities"
    loaded(reader)

    was = state_in(kept)
    reader.does("singer_state")
    assert loaded(reader) == set()
    assert state_in(kept)["log_until"] >= was["log_until"]

    with (reader.directory / "move.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        again = subprocess.run(["bash", "move.sh"], cwd=reader.directory, check=False)
    assert again.returncode == 75


def the_lines_for_machines(reader):
    told = reader.does("--log-format json").stdout
    assert re.search(r"^info tap-marketo-opps opportunities: .* calls, ", told, re.MULTILINE)
    entries = lines_of(reader.directory / "run.jsonl")
    assert {"level", "event", "timestamp", "run_id"} <= entries[-1].keys()
    assert [entry for entry in entries if "metric_info" in entry and "job_name" in entry]

    reader.does("LOG_FORMAT=json")
    entries = lines_of(reader.directory / "tap.jsonl")
    assert {frozenset(entry) for entry in entries} == {
        frozenset({"at", "level", "plugin", "message"})
    }
    assert [entry for entry in entries if "calls" in entry["message"]]


def the_report_of_each_run(reader):
    reader.does("REPORT_PATH")
    (run,) = lines_of(reader.directory / "runs.jsonl")
    (shown,) = map(json.loads, blocks("json", section("Run reports (`report_path`)", PAGE)))
    assert (run["exit"], run.keys()) == (0, shown.keys())
    counts = run["streams"]["opportunities"]
    assert counts.keys() >= shown["streams"]["opportunities"].keys()
    assert reader.does("cat > alert.py").stdout == ""

    bad = shown | {"exit": 1, "retries": 90, "streams": {"a": {"rejected": 2, "misfits": 3}}}
    assert len(alerts(reader, f'{{"cut\n{json.dumps(bad | {"at": run["at"]})}\n')) == 5
    # The tap was killed: its last run that wrote a line succeeded, but long ago.
    old = json.dumps(shown | {"at": "2026-01-01T00:00:00+00:00", "exit": 0})
    (told,) = alerts(reader, f"{old}\n{json.dumps(run | {'plugin': 'target-marketo-opps'})}\n")
    assert told.startswith("no run of tap-marketo-opps has ended with 0 since ")


def alerts(reader, lines) -> list[str]:
    (reader.directory / "bad.jsonl").write_text(lines)
    command = ["python3", "alert.py", "bad.jsonl"]
    done = subprocess.run(command, cwd=reader.directory, capture_output=True, check=True, text=True)
    return done.stdout.splitlines()


def the_run_that_is_stopped(reader, source):
    source.fault("slow", seconds=1)
    assert "max_run_seconds (1) reached: paused" in reader.does("MAX_RUN_SECONDS=7200").stderr
    assert "Run timed out" in reader.does("--timeout", code=1).stderr
    source.clear_faults()


def test_the_cron_line_runs_the_tested_command():
    (cron,) = [text for text in blocks("text", PAGE) if "cd /srv/marketo" in text]
    command = cron.split("meltano --log-format json ")[1].partition(" 2>>")[0]

    assert f"\nmeltano {command}\n" in "".join(f"\n{block}" for block in blocks("sh", PAGE))


def test_the_log_script_prints_lines_that_are_not_json(tmp_path):
    (block,) = [each for each in blocks("sh", PAGE) if "python3 - run.jsonl" in each]
    script = block.partition("<<'PY'\n")[2].removesuffix("PY\n")
    logged = tmp_path / "run.jsonl"
    logged.write_text('meltano: not found\n{"level": "error", "event": "Failed"}\n')
    command = [sys.executable, "-", logged]

    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)

    assert done.stdout == "meltano: not found\nerror meltano Failed\n"


def test_settings_on_the_page_are_valid():
    (shown,) = blocks("yaml", PAGE)

    for plugin in yaml.safe_load(shown)["plugins"]["extractors"]:
        # The plugin itself adds to its schema what the SDK offers.
        properties = {**SHARED_SETTINGS, **TAP_SETTINGS}
        assert plugin["config"].keys() <= properties.keys()
        # Not `validate`, which first checks the schema: the SDK's own part of it has a fault.
        jsonschema.Draft7Validator({"properties": properties}).validate(plugin["config"])


def test_shares_on_the_page_add_up_to_the_limits():
    rows = re.findall(r"^\| .* \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    shares = [[number(cell) for cell in row] for row in rows]
    rate, at_once, level = zip(*shares, strict=True)

    assert (sum(rate), sum(at_once)) == (100, 10)
    assert level[0] + level[-1] == 50_000


def test_meltano_knows_the_state_backends_on_the_page():
    rows = re.findall(r"^\| `([a-z0-9]+)(?:://\S*)?` \|", section("State", PAGE), re.MULTILINE)

    assert set(rows) == set(StateBackend.backends())


COSTS = re.findall(r"^\|.* \| (.*) \| ([\d,]+) \| ([\d,]+) min \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("terms", "total", "minutes"), COSTS)
def test_calculations_on_the_page_are_correct(terms, total, minutes):
    factors = [re.split(" \N{MULTIPLICATION SIGN} ", term) for term in terms.split(" + ")]
    calls = sum(math.prod(map(value, each)) for each in factors)

    assert calls == number(total)
    assert math.ceil(calls / CALLS_A_MINUTE) == number(minutes)


def value(factor: str) -> int:
    """Return the value of a number, or of the pages for so many records."""
    records = re.fullmatch(r"⌈([\d,]+)/300⌉", factor)
    return math.ceil(number(records[1]) / 300) if records else number(factor)


def number(text: str) -> int:
    return int(text.replace(",", ""))
