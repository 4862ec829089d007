"""What breaks in a pipeline: a process is gone, an instance refuses, a setting is wrong."""

from __future__ import annotations

import signal
import time

import pytest

from tests.pipeline.compare import differences, held, with_a_role
from tests.pipeline.processes import await_that


def syncs(sandbox) -> list[dict]:
    return sandbox.journal(operation="sync opportunity")


def sentences(plugin) -> list[str]:
    """What a plugin says of an error: its lines at that level."""
    lines = plugin.stderr.splitlines()
    return [line for line in lines if "| ERROR " in line or "| CRITICAL" in line]


@pytest.fixture(autouse=True)
def nothing_is_told_that_must_not_be(pair, source, destination):
    """No traceback and no secret, whatever a test of this file breaks."""
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
    """A pair that takes a while; its target reads on while its one call is in flight."""
    find = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 120, "batch_size": 100}
    pair.tap = {**source.credentials, **find}
    pair.target |= {"max_concurrent_calls": 1}
    source.instance.options.latency_ms = 250
    destination.instance.options.latency_ms = 1000
    return pair


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_target_that_goes_away_ends_the_tap_quietly_and_nothing_is_lost(
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


def test_what_a_target_had_read_but_not_sent_is_read_again(slow_pair, source, destination):
    source.instance.options.latency_ms = 0
    running = slow_pair.start()
    # By now it holds the last STATE, and records before it that wait for the call in flight.
    await_that(lambda: not running.tap.running() and syncs(destination))
    running.target.kill()

    assert running.wait() == (0, -9)
    await_that(lambda: len(held(destination)) == 300)
    destination.instance.options.latency_ms = 0
    slow_pair.run_well()
    assert differences(with_a_role(source), held(destination)) == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_tap_that_goes_away_lets_the_target_deliver_all_that_came(
    pair, source, destination, signum
):
    pair.tap |= {"batch_size": 50}
    source.instance.options.latency_ms = 200
    running = pair.start()
    # The first pages wait for the roles that they lead to: let some of those come.
    await_that(lambda: len(source.journal(operation="query role")) >= 12)
    running.tap.kill(signum)
    tap_code, target_code = running.wait()

    assert tap_code == (-9 if signum == signal.SIGKILL else 143)
    if target_code:
        # The kill came in the middle of a line; what came before it is delivered all the same.
        assert signum == signal.SIGKILL
        assert "it is cut short" in sentences(running.target)[-1]
    assert f"{len(held(destination))} created" in running.target.stderr
    assert 0 < len(held(destination)) < 700

    source.instance.options.latency_ms = 0
    pair.run_well()
    assert differences(held(source), held(destination)) == []


@pytest.mark.parametrize("side", ["tap", "target"])
def test_wrong_credentials_are_told_in_one_sentence(pair, side):
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
def test_an_instance_that_is_away_for_a_while_is_waited_for(pair, source, destination, side):
    away = {"source": source, "destination": destination}[side]
    running = pair.start()
    await_that(away.journal)
    away.stop(close=False)
    time.sleep(1)
    away.start()

    assert running.wait() == (0, 0), running.tap.stderr + running.target.stderr
    assert differences(held(source), held(destination)) == []


def test_an_instance_that_refuses_for_too_many_calls_is_waited_for(pair, source, destination):
    for sandbox in (source, destination):
        sandbox.fault("606", times=1, skip=1)

    pair.run_well()

    assert differences(held(source), held(destination)) == []
    for sandbox in (source, destination):
        refused = [call for call in sandbox.journal() if call["codes"] == ["606"]]
        assert len(refused) == 1


@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_instance_that_refuses_for_too_long_is_told_in_one_sentence(
    pair, source, destination, side
):
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


def test_a_day_without_calls_left_stops_both_where_they_are(pair, source, destination):
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
