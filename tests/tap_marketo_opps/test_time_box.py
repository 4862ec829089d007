"""Tests of `max_run_seconds`: pausing and resuming of runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tap_marketo_opps.sync.run_context import CALLS_IN_HAND
from tests.tap_marketo_opps.conftest import FAST
from tests.tap_marketo_opps.helpers import UnpacedTap, by_filter, by_lead_ids

DEALS, ROLES, FIELDS = "opportunities", "opportunity_roles", "opportunity_fields"
SMALL = {"batch_size": 20, "max_concurrent_calls": 2}
LIST = 1001


class LateTap(UnpacedTap):
    """A tap whose time is over before it begins."""

    clock = staticmethod(lambda: float("inf"))


def paused(caplog):
    """Return the warnings since the last call."""
    lines = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    caplog.clear()
    return [line for line in lines if "max_run_seconds" in line]


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(
        opportunities=900, leads=700, seed=5, activity_scan=300, limits=FAST
    )
    sandbox.instance.add_to_list(LIST, {role["leadId"] for role in sandbox.instance.roles()})
    return sandbox


@pytest.fixture
def world(sandbox, catalog_of, tmp_path):
    """Return an instance, a catalog of opportunities and roles, and a folder for files."""
    return sandbox, catalog_of(sandbox, DEALS, ROLES), tmp_path


def by_log(sandbox, _):
    way = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z", "batch_size": 200}
    return {**way, **sandbox.credentials}


def by_list(sandbox, _):
    return {"find_by": "lead_list", "lead_list_id": LIST, **sandbox.credentials}


def by_reconcile(sandbox, folder):
    path = folder / "guids.txt"
    path.write_text(
        "".join(f"{each['marketoGUID']}\n" for each in sandbox.instance.opportunities())
    )
    way = {"find_by": "reconcile", "reconcile_opportunities_path": str(path)}
    return {**way, **sandbox.credentials}


WAYS = {
    "filter": lambda sandbox, _: by_filter(sandbox),
    "activities": by_log,
    "lead_ids": lambda sandbox, _: by_lead_ids(sandbox),
    "lead_list": by_list,
    "reconcile": by_reconcile,
}


@pytest.mark.parametrize("way", WAYS)
def test_short_runs_come_to_the_end_of_one(way, world, sync, caplog):
    sandbox, catalog, folder = world
    config = {**SMALL, **WAYS[way](sandbox, folder)}
    whole = sync(config, catalog=catalog)
    assert not paused(caplog)
    state, found, runs, told = None, {DEALS: set(), ROLES: set()}, 0, True
    while told:
        before, runs = state, runs + 1
        output = sync(
            {**config, "max_run_seconds": 1}, state=state, catalog=catalog, tap_class=LateTap
        )
        for stream in found:
            found[stream] |= {*output.ids(stream)}
        state, told = output.state, paused(caplog)
        assert state != before
        assert len(told) <= 1
        assert runs < 60
    assert runs > 2
    assert found == {stream: {*whole.ids(stream)} for stream in found}


def test_each_short_run_after_a_finished_one_goes_further(world, sync, caplog):
    sandbox, catalog, _ = world
    config = {**by_log(sandbox, None), "batch_size": 20}
    state = sync(config, catalog=catalog).state
    sandbox.instance.change(sandbox.instance.opportunity_ids()[:60], {"amount": 1})
    told, before = True, None
    while told:
        before = state
        output = sync(
            {**config, "max_run_seconds": 1}, state=state, catalog=catalog, tap_class=LateTap
        )
        state, told = output.state, paused(caplog)
        assert state != before


def test_a_paused_run_leaves_a_position_and_no_bookmark(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, DEALS, FIELDS)
    config = {**by_filter(sandbox, **SMALL), "max_run_seconds": 1}
    before = len(sandbox.journal())
    output = sync(config, catalog=catalog, tap_class=LateTap)
    bookmark = output.bookmark()
    assert bookmark["resume"]
    assert not bookmark["replication_key_value"]
    # What was under way at the first STATE: two at once, and two in hand.
    assert len(output.ids()) <= 20 * 5
    queries = [each for each in sandbox.journal()[before:] if each["operation"].startswith("query")]
    # A call may overtake another that comes too late: its page is read again.
    assert 0 <= 20 * len(queries) - len(output.ids()) <= 20 * CALLS_IN_HAND
    (line,) = paused(caplog)
    assert line.startswith("max_run_seconds (1) reached: paused at ")
    assert f"of 900 values), {len(output.ids())} records, " in line
    assert line.endswith(
        "Not started: opportunity_fields. The next run resumes from the last STATE."
    )


def test_streams_of_a_run_that_has_ended_count_as_begun(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, DEALS, ROLES, FIELDS)
    # So few that all their calls are under way before the first STATE.
    few = sandbox.instance.opportunity_ids()[:100]
    config = by_filter(sandbox, filter_values=few, max_run_seconds=1)
    output = sync(config, catalog=catalog, tap_class=LateTap)
    assert output.bookmark()["replication_key_value"]
    assert output.bookmark(ROLES)["replication_key_value"]
    (line,) = paused(caplog)
    assert line == (
        "max_run_seconds (1) reached: paused. Not started: opportunity_fields. "
        "The next run resumes from the last STATE."
    )


def test_fields_are_left_in_the_middle(sandbox, catalog_of, sync, caplog):
    class TapLateByFields(UnpacedTap):
        @staticmethod
        def clock():
            is_late = any("fields" in each["path"] for each in sandbox.journal())
            return float("inf") if is_late else float("-inf")

    config = by_filter(sandbox, batch_size=5, max_run_seconds=1)
    catalog = catalog_of(sandbox, DEALS, FIELDS)
    output = sync(config, catalog=catalog, tap_class=TapLateByFields)
    assert len(output.ids(FIELDS, "name")) == 5
    (line,) = paused(caplog)
    assert "paused at 5 records, 1 call of opportunity_fields, which starts over." in line
    assert "Not started" not in line


def test_fields_alone_are_read_whatever_the_time(sandbox, catalog_of, sync, caplog):
    config = by_filter(sandbox, batch_size=5, max_run_seconds=1)
    output = sync(config, catalog=catalog_of(sandbox, FIELDS), tap_class=LateTap)
    assert len(output.ids(FIELDS, "name")) > 10
    assert not paused(caplog)


def test_a_run_that_ends_in_time_is_like_any_other(sandbox, catalog_of, sync, caplog):
    config, catalog = by_filter(sandbox), catalog_of(sandbox, DEALS, FIELDS)
    output = sync({**config, "max_run_seconds": 86_400}, catalog=catalog)
    assert output.bookmark()["replication_key_value"]
    assert not paused(caplog)


@pytest.mark.slow
@pytest.mark.waits
def test_a_process_ends_with_0_at_its_time(marketo_sandbox_factory, catalog_of, tmp_path):
    sandbox = marketo_sandbox_factory(opportunities=400, leads=10, latency_ms=400, limits=FAST)
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    settings = by_filter(sandbox, batch_size=2, max_concurrent_calls=2, max_run_seconds=3)
    config.write_text(json.dumps(settings))
    catalog.write_text(json.dumps(catalog_of(sandbox, DEALS)))
    began, before = time.monotonic(), len(sandbox.journal())
    command = [sys.executable, "-m", "tap_marketo_opps", f"--config={config}"]
    ended = subprocess.run(
        [*command, f"--catalog={catalog}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began > 3
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    assert messages[-1]["type"] == "STATE"
    assert messages[-1]["value"]["bookmarks"][DEALS]["resume"]
    records = [each for each in messages if each["type"] == "RECORD"]
    queries = [each for each in sandbox.journal()[before:] if each["operation"].startswith("query")]
    assert 0 <= 2 * len(queries) - len(records) <= 2 * CALLS_IN_HAND
    assert len(records) < 400
    assert (
        ended.stderr.count("| WARNING ") == ended.stderr.count("max_run_seconds (3) reached") == 1
    )
