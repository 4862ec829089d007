"""`examples/dagster`: three instances, two workers with one PostgreSQL, and error 607."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import pytest

from tests.interop.dagster_worker import EXAMPLE, INSTANCES, LEADS, RUN_SECONDS, Worker
from tests.pipeline.compare import differences, held, with_a_role
from tests.pipeline.processes import await_that

# A dozen starts of Dagster take this long on a busy machine.
SECONDS = 900
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS),
    pytest.mark.xdist_group("postgres"),
]

CALLS_A_DAY = 50_000
# Fewer than the 27 calls of a sweep in pages of 20 records, so that the quota is exhausted midway.
CALLS_LEFT = 22
DAY_SECONDS = 24 * 3600
# Slow calls make a run outlast the start of another run; with faster calls it can be interrupted.
SLOW_MS, FEW_MS = 6000, 500


@pytest.fixture
def sources(marketo_sandbox_factory):
    return {
        name: marketo_sandbox_factory(opportunities=200, leads=LEADS, seed=seed)
        for seed, name in enumerate(INSTANCES)
    }


@pytest.fixture
def destinations(marketo_sandbox_factory):
    return {name: marketo_sandbox_factory(seed=9) for name in INSTANCES}


@pytest.fixture
def secrets(sources, destinations, database):
    """Return the environment variables of every worker."""
    address = "postgresql://{user}:{password}@{host}:{port}/{database}"
    found = {"DAGSTER_POSTGRES_URL": address.format(**database.settings)}
    for kind, sandboxes in (("TAP", sources), ("TARGET", destinations)):
        for name, sandbox in sandboxes.items():
            for setting, value in sandbox.credentials.items():
                found[f"{kind}_MARKETO_{name.upper()}_{setting.upper()}"] = value
    return found


@pytest.fixture
def worker(third_party, secrets, tmp_path, database):
    """Yield a function that makes a worker with its own folder, given a name."""
    database.execute((EXAMPLE / "states.sql").read_text())
    workers = []

    def make(name, batch_size=20):
        workers.append(Worker(third_party("dagster"), tmp_path / name, secrets, batch_size))
        return workers[-1]

    yield make
    for each in workers:
        each.end()


def arrived(sources, destinations, name) -> bool:
    return differences(with_a_role(sources[name]), held(destinations[name])) == []


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def exits(folder):
    return {line["plugin"]: line["exit"] for line in lines(folder / "runs.jsonl")}


def queries(sandbox):
    return [call for call in sandbox.journal() if str(call["operation"]).startswith("query")]


def state_of(database, name):
    (row,) = database.rows(f"select state from marketo_states where instance = '{name}'")
    return row["state"]


def materialized(database, name):
    """Return how often Dagster materialized each file of an instance, by file name."""
    rows = database.rows(
        "select asset_key, count(*) from event_logs"
        " where dagster_event_type = 'ASSET_MATERIALIZATION' group by asset_key"
    )
    found = {tuple(json.loads(row["asset_key"])): row["count"] for row in rows}
    return {file: count for (_, instance, file), count in found.items() if instance == name}


def test_two_workers_share_instances_without_losing_records(
    worker, sources, destinations, database
):
    one, other = worker("one"), worker("other")
    one.ask("instance", "migrate")
    sources["amer"].set_calls_today(CALLS_A_DAY - CALLS_LEFT)

    one_runs_into_607_and_the_others_do_not(one, other, sources, destinations)
    what_they_left_is_there(one, other, database)
    no_secret_is_written([one, other], [*sources.values(), *destinations.values()], database)
    sources["amer"].advance(DAY_SECONDS)
    the_next_day_one_of_two_goes_on(one, other, sources)

    assert arrived(sources, destinations, "amer")
    # Each tap makes one call at a time here, so two concurrent calls would prove two taps.
    assert {call["in_flight"] for call in queries(sources["amer"])} == {1}


def one_runs_into_607_and_the_others_do_not(one, other, sources, destinations):
    runs = [
        (one, one.start("emea", sweep=True)),
        (other, other.start("amer", sweep=True)),
        (one, one.start("apac", sweep=True)),
    ]
    ends = [each.wait(run) for each, run in runs]
    assert [code for code, _ in ends] == [0, 1, 0], "\n".join(said for _, said in ends)
    assert "607" in ends[1][1]
    assert [name for name in INSTANCES if arrived(sources, destinations, name)] == ["emea", "apac"]
    assert held(destinations["amer"])


def what_they_left_is_there(one, other, database):
    first, second = other.attempts("amer")
    assert exits(first)["tap-marketo-opps"] == exits(second)["tap-marketo-opps"] == 1
    assert not (first / "state.json").exists()
    assert json.loads((second / "state.json").read_text())["bookmarks"]["opportunities"]["resume"]
    (attempt,) = one.attempts("emea")
    assert exits(attempt) == {"tap-marketo-opps": 0, "target-marketo-opps": 0}
    assert {line["status"] for line in lines(attempt / "receipts.jsonl")} == {"created"}
    assert state_of(database, "emea")["bookmarks"]["opportunities"]["resume"] is None
    assert materialized(database, "emea") == {
        "receipts": 1,
        "tap-marketo-opps": 1,
        "target-marketo-opps": 1,
    }
    assert materialized(database, "amer")["tap-marketo-opps"] == 2


def no_secret_is_written(workers, sandboxes, database):
    files = [path for each in workers for path in each.folder.rglob("*") if path.is_file()]
    texts = [path.read_text(errors="replace") for path in files]
    texts.append(database.execute("select event from event_logs"))
    texts.append(database.execute("select run_body from runs"))
    assert len(texts) > 20
    secrets = [sandbox.client_secret for sandbox in sandboxes]
    assert not [text for text in texts if any(secret in text for secret in secrets)]


def the_next_day_one_of_two_goes_on(one, other, sources):
    source = sources["amer"]
    source.instance.options.latency_ms = SLOW_MS
    going_on = one.start("amer", sweep=True)
    await_that(lambda: one.attempts("amer"), RUN_SECONDS)
    code, said = other.wait(other.start("amer", sweep=True))
    assert code == 1, said
    assert "Another worker is moving amer" in said
    assert len(other.attempts("amer")) == 2
    assert going_on.poll() is None

    source.instance.options.latency_ms = 0
    code, said = one.wait(going_on)
    assert code == 0, said
    said = (one.attempts("amer")[0] / "log.jsonl").read_text()
    assert "Resuming where the last run stopped." in said


def start_large(one, source):
    """Start a first run of several thousand records in slow calls."""
    source.seed(2000, leads=LEADS)
    one.ask("instance", "migrate")
    source.instance.options.latency_ms = FEW_MS
    return one.start("apac", sweep=True)


def states_kept(database):
    return int(database.execute("select count(*) from marketo_states"))


def goes_on_to_the_end(worker, sources, destinations, state):
    """Check that another worker starts from a state and completes the copy."""
    sources["apac"].instance.options.latency_ms = 0
    other = worker("other", batch_size=300)
    code, said = other.wait(other.start("apac", sweep=True))
    assert code == 0, said
    (attempt,) = other.attempts("apac")
    assert json.loads((attempt / "state.json").read_text()) == state
    assert arrived(sources, destinations, "apac")


def processes_in(folder):
    """Return the number of processes with a path below a folder in their command line."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += f"{folder}/".encode() in path.read_bytes()
    return found


def test_a_killed_worker_leaves_state_and_no_process(worker, sources, destinations, database):
    # Each page fills a batch of the target, so that its state is emitted immediately.
    one = worker("one", batch_size=300)
    run = start_large(one, sources["apac"])
    await_that(lambda: states_kept(database), RUN_SECONDS)
    sources["apac"].instance.options.latency_ms = 3 * SLOW_MS
    (attempt,) = one.attempts("apac")
    assert processes_in(attempt) == 2
    run.send_signal(signal.SIGKILL)
    one.wait(run)
    # Sooner than a plugin could detect it by itself, which takes until the next response.
    await_that(lambda: not processes_in(attempt), SLOW_MS / 1000)

    state = state_of(database, "apac")
    assert state["bookmarks"]["opportunities"]["resume"]
    goes_on_to_the_end(worker, sources, destinations, state)


def test_a_stopped_run_keeps_the_state_of_its_last_records(worker, sources, destinations, database):
    source, one = sources["apac"], worker("one", batch_size=100)
    run = start_large(one, source)
    # Fewer records than fill a batch of the target.
    await_that(lambda: len(source.journal(operation="query opportunity")) == 2, RUN_SECONDS)
    assert states_kept(database) == 0
    run.send_signal(signal.SIGINT)
    code, said = one.wait(run)

    assert code != 0, said
    (attempt,) = one.attempts("apac")
    assert exits(attempt) == {"tap-marketo-opps": 143, "target-marketo-opps": 0}
    assert 0 < len(held(destinations["apac"])) <= 200
    state = state_of(database, "apac")
    assert state["bookmarks"]["opportunities"]["resume"]
    goes_on_to_the_end(worker, sources, destinations, state)
