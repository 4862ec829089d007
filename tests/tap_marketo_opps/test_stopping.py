"""Tests of a tap that gets a signal, or whose reader is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.waits]


@pytest.fixture
def slow(marketo_sandbox_factory, catalog_of, tmp_path):
    """Return a tap process in the middle of a long run, and its instance."""
    sandbox = marketo_sandbox_factory(
        opportunities=400, leads=10, latency_ms=200, limits={"enforced": False}
    )
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    ids = sandbox.instance.opportunity_ids()
    settings = {"filter_values": ids, "batch_size": 10, "max_concurrent_calls": 2}
    config.write_text(json.dumps({**sandbox.credentials, **settings}))
    catalog.write_text(json.dumps(catalog_of(sandbox, "opportunities")))
    command = [sys.executable, "-m", "tap_marketo_opps", f"--config={config}"]
    process = subprocess.Popen(
        [*command, f"--catalog={catalog}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    yield sandbox, process
    process.kill()
    process.communicate()


def _read_to_first_state(process):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if b'"STATE"' in line:
            break
    return lines


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_what_was_in_flight_written(slow, signum):
    sandbox, process = slow
    lines = _read_to_first_state(process)
    process.send_signal(signum)
    asked_at = time.monotonic()
    rest, errors = process.stdout.read(), process.stderr.read()
    process.wait(timeout=15)
    assert time.monotonic() - asked_at < 8
    assert process.returncode == 128 + signum
    messages = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert messages[-1]["type"] == "STATE"
    position = json.loads(messages[-1]["value"]["bookmarks"]["opportunities"]["resume"])
    records = [m for m in messages if m["type"] == "RECORD"]
    assert 0 < len(records) < 400
    assert position["at"]["open"] or position["at"]["next"]
    assert b"Traceback" not in errors
    calls = [c for c in sandbox.journal() if c["operation"] == "query opportunity"]
    assert len(calls) <= len(records) // 10 + 2


def test_a_second_signal_ends_it_at_once(slow):
    sandbox, process = slow
    _read_to_first_state(process)
    sandbox.instance.options.latency_ms = 5000
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 128 + signal.SIGINT


def test_a_reader_that_is_gone_ends_it_quietly(slow):
    _, process = slow
    _read_to_first_state(process)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=10) not in {0, None}
    assert b"Traceback" not in errors
    assert b"| ERROR" not in errors
