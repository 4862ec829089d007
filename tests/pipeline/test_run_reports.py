"""Run reports (`report_path`) and JSON logs (`log_format`) of tap and target in a pipe."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.pipeline.processes import await_that

pytestmark = pytest.mark.slow


@pytest.fixture
def reports(pair, tmp_path):
    """Return the report lines of all runs so far."""
    path = tmp_path / "runs.jsonl"
    pair.tap["report_path"] = pair.target["report_path"] = str(path)
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_report_path_gets_a_line_for_each_run(pair, reports):
    pair.run_well()
    tap, target = sorted(reports(), key=lambda line: line["plugin"])
    assert (tap["plugin"], tap["exit"]) == ("tap-marketo-opps", 0)
    assert (target["plugin"], target["exit"]) == ("target-marketo-opps", 0)
    assert tap["streams"]["opportunities"]["emitted"] == 700
    assert target["streams"]["opportunities"]["created"] == 700
    assert (target["calls"], target["retries"]) == (4, 0)
    assert target["waited"] == {"rate": 0, "retry": 0}


def test_a_failed_run_is_reported_with_exit_status_1(pair, reports):
    pair.target["client_secret"] = "wrong-secret"
    pair.run()
    assert {"target-marketo-opps": 1}.items() <= {
        line["plugin"]: line["exit"] for line in reports()
    }.items()


@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_a_run_with_an_unreadable_file_is_reported(pair, reports, tmp_path, option):
    (tmp_path / "cut.json").write_text('{"bookmarks": ')
    pair.tap_arguments = (option, str(tmp_path / "cut.json"))
    pair.run()
    assert {line["plugin"]: line["exit"] for line in reports()}["tap-marketo-opps"] == 1


def test_a_failed_discovery_is_reported(pair, reports):
    pair.tap["client_secret"] = "wrong-secret"
    pair.tap_arguments = ("--discover",)
    pair.run()
    assert {line["plugin"]: line["exit"] for line in reports()}["tap-marketo-opps"] == 1


def test_a_report_named_by_a_variable_has_its_errors(pair, tmp_path):
    path = tmp_path / "runs.jsonl"
    pair.environment = {"TAP_MARKETO_OPPS_REPORT_PATH": str(path)}
    pair.environment["TAP_MARKETO_OPPS_BATCH_SIZE"] = "many"
    pair.tap_arguments = ("--config=ENV",)
    pair.run()
    assert json.loads(path.read_text())["exit"] == 1


def test_a_report_has_retries_and_waiting_time(pair, reports, destination):
    destination.fault("604", operation="sync opportunity", times=1)
    pair.run_well()
    (target,) = [line for line in reports() if line["plugin"] == "target-marketo-opps"]
    assert target["retries"] == 1
    assert target["waited"]["retry"] >= 0.5


def test_a_stopped_run_is_reported_with_its_signal(pair, reports, source):
    source.instance.options.latency_ms = 1000
    running = pair.start()
    await_that(lambda: "Finding by" in running.tap.stderr)
    running.tap.kill(signal.SIGTERM)
    running.wait()
    assert [line["exit"] for line in reports() if line["plugin"] == "tap-marketo-opps"] == [143]


@pytest.mark.parametrize("option", ["--discover", "--test", "--about"])
def test_only_runs_leave_a_report(pair, reports, option):
    pair.tap_arguments = (option,)
    pair.run()
    assert [line["plugin"] for line in reports()] == ["target-marketo-opps"]


def test_each_log_line_names_its_plugin_in_a_plain_pipe(pair, destination):
    destination.fault("604", operation="sync opportunity", times=1)
    running = pair.run_well()
    for plugin in (running.tap, running.target):
        lines = plugin.stderr.splitlines()
        assert lines
        assert [each for each in lines if f"| {plugin.name} | " not in each] == []
    retry = (
        r"INFO .*refused sync POST .*604.*Trying again in .* s \(attempt 2, giving up in 300 s\)"
    )
    assert re.search(retry, running.target.stderr)


def test_log_format_json_writes_json_objects(pair):
    pair.tap["log_format"] = pair.target["log_format"] = "json"
    running = pair.run_well()
    for plugin in (running.tap, running.target):
        lines = [json.loads(line) for line in plugin.stderr.splitlines()]
        assert {line["plugin"] for line in lines} == {plugin.name}
        assert {line["level"] for line in lines} <= {"INFO", "WARNING"}
