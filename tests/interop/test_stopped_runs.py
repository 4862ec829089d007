"""The table of `docs/operating.md` about the state that an interrupted `meltano run` keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
import yaml

from tap_marketo_opps.sync.run_context import CALLS_IN_HAND
from tests.manual.pages import page, section
from tests.pipeline.meltano_project import END_SECONDS
from tests.pipeline.processes import BIN, await_that

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("postgres")]

TABLE = section("Stopping a run", page("operating.md")).splitlines()
KEPT = {
    "target-marketo-opps": "what Marketo has accepted",
    "target-postgres": "nothing",
    "target-jsonl": "nothing",
}
ALL_THAT_WAS_WRITTEN = "all that was written"
# 35 pages of half a second each.
PAGES, PAGE_SIZE, LATENCY_MS = 35, 20, 500
# More pages than fill the first batch of target-marketo-opps.
STOP_AFTER_PAGES = 20
BOX_SECONDS = 12
# Number of pages that fill a batch of target-marketo-opps.
CALL = 15


def cells(loader: str) -> list[str]:
    """Return a loader's cells in the table: for Ctrl-C, SIGTERM, --timeout and max_run_seconds."""
    (row,) = [line for line in TABLE if line.startswith(f"| `{loader}` |")]
    return [cell.strip() for cell in row.strip("|").split("|")[1:]]


@pytest.fixture
def stopped(project, source, third_party, database, tmp_path):
    """Return a function that runs the project into a loader and interrupts the run midway.

    The function returns True if a position was kept, and the numbers of pages that this run and
    the next run have read.
    """
    settings = {
        "target-jsonl": {"destination_path": str(tmp_path), "do_timestamp_file": False},
        "target-postgres": {**database.settings, "default_target_schema": "marketo"},
    }

    def run(loader, *more, end=None, **tap):
        if loader in settings:
            add_loader(project, loader, third_party(loader), settings[loader])
        project.loader = loader
        project.environment["MELTANO_CLI_LOG_LEVEL"] = "info"
        project.environment["TAP_MARKETO_OPPS__SELECT"] = '["opportunities.*"]'
        project.set("TAP", batch_size=PAGE_SIZE, max_concurrent_calls=1, **tap)
        source.instance.options.latency_ms = LATENCY_MS
        process = start(project, *more)
        if end:
            await_that(lambda: is_half_way(source) or process.poll() is not None, END_SECONDS)
            end(process)
        process.wait(END_SECONDS)
        told = project.directory.with_name("run.log").read_text()
        assert 0 < len(pages(source)) < PAGES, told[-4_000:]
        read = len(pages(source))
        return keeps_a_position(project, loader), read, pages_of_the_next_run(project, source)

    return run


def start(project, *more) -> subprocess.Popen:
    """Start `meltano run` in its own process group, as a shell does."""
    with project.directory.with_name("run.log").open("wb") as log:
        return subprocess.Popen(
            [BIN / "meltano", "run", "tap-marketo-opps", project.loader, *more],
            cwd=project.directory,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def add_loader(project, name, executable, settings):
    path = project.directory / "meltano.yml"
    content = yaml.safe_load(path.read_text())
    content["plugins"]["loaders"].append(
        {
            "name": name,
            "namespace": name.replace("-", "_"),
            "executable": str(executable),
            "config": settings,
            "settings": [{"name": each, "kind": kind_of(one)} for each, one in settings.items()],
        }
    )
    path.write_text(yaml.safe_dump(content))


def kind_of(value) -> str:
    return {bool: "boolean", int: "integer"}.get(type(value), "string")


def is_half_way(source) -> bool:
    return len(pages(source)) >= STOP_AFTER_PAGES


def pages(source) -> list[dict]:
    return source.journal(operation="query opportunity")


def keeps_a_position(project, loader) -> bool:
    state_id = f"dev:tap-marketo-opps-to-{loader}"
    if state_id not in project.command("state", "list").split():
        return False
    state = json.loads(project.command("state", "get", state_id)).get("singer_state") or {}
    return bool(state.get("bookmarks", {}).get("opportunities", {}).get("resume"))


def pages_of_the_next_run(project, source) -> int:
    source.instance.options.latency_ms = 0
    project.environment.pop("TAP_MARKETO_OPPS_MAX_RUN_SECONDS", None)
    before = len(pages(source))
    project.run()
    return len(pages(source)) - before


WAYS = {
    "Ctrl-C": {"end": lambda process: os.killpg(process.pid, signal.SIGINT)},
    "SIGTERM": {"end": lambda process: process.send_signal(signal.SIGTERM)},
    "--timeout": {"more": ("--timeout", str(BOX_SECONDS + 4))},
}


LOADERS = pytest.mark.parametrize("loader", KEPT)


@pytest.mark.parametrize("way", WAYS)
@LOADERS
def test_a_stopped_run_keeps_the_state_in_the_table(stopped, loader, way):
    how = dict(WAYS[way])
    is_kept, read, rest = stopped(loader, *how.pop("more", ()), **how)

    assert cells(loader)[[*WAYS].index(way)] == KEPT[loader]
    assert is_kept == (KEPT[loader] != "nothing")
    # The pages of two full batches were read, at least the first of which was accepted.
    assert PAGES - read <= rest <= PAGES - CALL if is_kept else rest == PAGES


@LOADERS
def test_max_run_seconds_keeps_all_that_was_written(stopped, loader):
    is_kept, read, rest = stopped(loader, max_run_seconds=BOX_SECONDS)

    assert cells(loader)[-1] == ALL_THAT_WAS_WRITTEN
    assert is_kept
    # A call that ends too late was overtaken by others, so its page is read again.
    assert PAGES <= read + rest <= PAGES + CALLS_IN_HAND
