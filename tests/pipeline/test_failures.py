"""Failures in a pipeline: a killed process, an unavailable instance, wrong credentials."""

from __future__ import annotations

import signal
import time

import pytest

from tests.pipeline.compare import differences, held, with_a_role
from tests.pipeline.processes import await_that


def syncs(sandbox) -> list[dict]:
    return sandbox.journal(operation="sync opportunity")


def sentences(plugin) -> list[str]:
    """Return the lines at level ERROR that a plugin has logged."""
    lines = plugin.stderr.splitlines()
    return [line for line in lines if "| ERROR " in line or "| CRITICAL" in line]


@pytest.fixture(autouse=True)
def nothing_is_told_that_must_not_be(pair, source, destination):
    """Check after each test of this file that no log has a traceback or a secret."""
    yield
    secrets = [each.client_secret for each in (source, destination)]
    tokens = [each.instance.storage.meta("token") or "" for each in (source, destination)]
    secrets += [token.partition(":")[0] for token in tokens if token]
    for path in (path for path in pair.directory.iterdir() if path.suffix != ".json"):
        text = path.read_text()
        assert "Traceback" not in text, path
        assert not [secret for secret in secrets if secret in text], path


@pytest.fixture
def slow_pair(pair, source, destination):
    """Return a slow pair whose target goes on reading while its only call is in flight."""
    find = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 120, "batch_size": 100}
    pair.tap = {**source.credentials, **find}
    pair.target |= {"max_concurrent_calls": 1}
    source.instance.options.latency_ms = 250
    destination.instance.options.latency_ms = 1000
    return pair


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_target_ends_the_tap_without_losing_records(
    slow_pair, source, destination, signum
):
    running = slow_pair.start()
    await_that(lambda: syncs(destination))
    running.target.kill(signum)
    tap_code, target_code = running.wait()

    assert tap_code == 1
    assert target_code == (-9 if signum == signal.SIGKILL else 143)
    assert sentences(running.tap) == []
    await_that(lambda: len(held(destination)) == 300)

    source.instance.options.latency_ms = destination.instance.options.latency_ms = 0
    slow_pair.run_well()
    assert differences(with_a_role(source), held(destination)) == []


def test_records_read_but_not_sent_are_read_again(slow_pair, source, destination):
    source.instance.options.latency_ms = 0
    running = slow_pair.start()
    # The target has now read the last STATE, and holds records that wait for the call in flight.
    await_that(lambda: not running.tap.running() and syncs(destination))
    running.target.kill()

    assert running.wait() == (0, -9)
    await_that(lambda: len(held(destination)) == 300)
    destination.instance.options.latency_ms = 0
    slow_pair.run_well()
    assert differences(with_a_role(source), held(destination)) == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_killed_tap_the_target_delivers_what_it_read(pair, source, destination, signum):
    pair.tap |= {"batch_size": 50}
    source.instance.options.latency_ms = 200
    running = pair.start()
    # The first pages are held back until their roles are read, so wait for some roles.
    await_that(lambda: len(source.journal(operation="query role")) >= 12)
    running.tap.kill(signum)
    tap_code, target_code = running.wait()

    assert tap_code == (-9 if signum == signal.SIGKILL else 143)
    if target_code:
        # The kill cut a line in two; the records before it are delivered all the same.
        assert signum == signal.SIGKILL
        assert "it is cut short" in sentences(running.target)[-1]
    assert f"{len(held(destination))} created" in running.target.stderr
    assert 0 < len(held(destination)) < 700

    source.instance.options.latency_ms = 0
    pair.run_well()
    assert differences(held(source), held(destination)) == []


@pytest.mark.parametrize("side", ["tap", "target"])
def test_wrong_credentials_are_reported_in_one_sentence(pair, side):
    setattr(pair, side, getattr(pair, side) | {"client_secret": "quite-wrong-4711"})
    running = pair.start()
    codes = running.wait()

    plugin = getattr(running, side)
    assert codes[side == "target"] == 1
    sentence = sentences(plugin)[-1]
    assert "client_id and client_secret" in sentence
    assert "LaunchPoint" in sentence
    assert "quite-wrong-4711" not in running.tap.stderr + running.target.stderr


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_short_outage_of_the_instance_is_waited_out(pair, source, destination, side):
    away = {"source": source, "destination": destination}[side]
    running = pair.start()
    await_that(away.journal)
    away.stop(close=False)
    time.sleep(1)
    away.start()

    assert running.wait() == (0, 0), running.tap.stderr + running.target.stderr
    assert differences(held(source), held(destination)) == []


def test_rate_limit_refusals_are_waited_out(pair, source, destination):
    for sandbox in (source, destination):
        sandbox.fault("606", times=1, skip=1)

    pair.run_well()

    assert differences(held(source), held(destination)) == []
    for sandbox in (source, destination):
        refused = [call for call in sandbox.journal() if call["codes"] == ["606"]]
        assert len(refused) == 1


@pytest.mark.parametrize("side", ["source", "destination"])
def test_lasting_rate_limit_refusals_are_reported(pair, source, destination, side):
    plugin_name = {"source": "tap", "destination": "target"}[side]
    refusing = {"source": source, "destination": destination}[side]
    refusing.fault("606", path="/rest/v1/opportunities.json")
    setattr(pair, plugin_name, getattr(pair, plugin_name) | {"max_retry_seconds": 1})
    running = pair.start()
    codes = running.wait()

    assert codes[side == "destination"] == 1
    (sentence,) = sentences(getattr(running, plugin_name))
    assert "606" in sentence
    assert "requestId" in sentence
    assert "calls_per_20_seconds" in sentence
    assert pair.state is None or side == "source"

    refusing.clear_faults()
    pair.run_well()
    assert differences(held(source), held(destination)) == []


def test_an_exhausted_daily_quota_stops_tap_and_target(pair, source, destination):
    pair.tap |= {"batch_size": 100}
    source.fault("607", skip=16)
    running = pair.start()
    codes = running.wait()

    assert codes == (1, 0)
    (sentence,) = sentences(running.tap)
    assert "607" in sentence
    assert "midnight" in sentence
    assert 0 < len(held(destination)) < 700

    source.clear_faults()
    pair.run_well()
    assert differences(held(source), held(destination)) == []
