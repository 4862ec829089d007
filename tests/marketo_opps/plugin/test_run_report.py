"""The line of a run in `report_path`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from marketo_opps import CallCounts
from marketo_opps.plugin.errors import OutputFileError
from marketo_opps.plugin.run_report import RunReport

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def report():
    return RunReport(clock=iter([100.0, 107.5]).__next__, now=lambda: NOW)


def begin(report, path, **options):
    report.begin(str(path), plugin="tap-x", version="1.2", **options)


def exits(path):
    return [json.loads(line)["exit"] for line in path.read_text().splitlines()]


def test_a_run_appends_one_line_with_all_its_counts(report, tmp_path):
    begin(report, tmp_path / "runs.jsonl")
    report.measure_by(lambda: ({"deals": {"created": 3}}, CallCounts(9, 2, 1.25, 0.5)))
    report.write(1)
    assert json.loads((tmp_path / "runs.jsonl").read_text()) == {
        "at": "2026-11-28T12:00:00+00:00",
        "plugin": "tap-x",
        "version": "1.2",
        "exit": 1,
        "streams": {"deals": {"created": 3}},
        "calls": 9,
        "retries": 2,
        "seconds": 7.5,
        "waited": {"rate": 1.25, "retry": 0.5},
    }


def test_a_run_that_fails_at_its_start_appends_its_line(report, tmp_path):
    begin(report, tmp_path / "runs.jsonl")
    report.write(1)
    told = json.loads((tmp_path / "runs.jsonl").read_text())
    assert (told["exit"], told["streams"], told["calls"]) == (1, {}, 0)


def test_lines_are_appended_to_an_existing_file(report, tmp_path):
    (tmp_path / "runs.jsonl").write_text('{"cut')
    begin(report, tmp_path / "runs.jsonl")
    report.write(0)
    first, second = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert first == '{"cut'
    assert json.loads(second)["exit"] == 0


def test_a_path_that_cannot_be_opened_ends_the_run_at_its_start(report, tmp_path):
    with pytest.raises(OutputFileError, match=r"report_path .* cannot be opened: No such file"):
        begin(report, tmp_path / "no" / "runs.jsonl")


def test_a_full_disk_at_the_end_is_only_logged(report, caplog):
    begin(report, "/dev/full")
    report.write(0)
    (told,) = caplog.messages
    assert told == (
        "report_path '/dev/full' cannot be written: No space left on device. The line of this run "
        "is missing from it."
    )


def test_a_run_without_a_path_appends_nothing(report):
    report.write(1)


def test_times_are_reported_to_the_millisecond(tmp_path):
    report = RunReport(clock=iter([0.0, 1.23456]).__next__, now=lambda: NOW)
    begin(report, tmp_path / "runs.jsonl")
    report.measure_by(lambda: ({}, CallCounts(9, 2, 1.23456, 2.34567)))
    report.write(0)
    told = json.loads((tmp_path / "runs.jsonl").read_text())
    assert (told["seconds"], told["waited"]) == (1.235, {"rate": 1.235, "retry": 2.346})


@pytest.mark.parametrize("exit_code", [0, 1, 143])
def test_a_discovery_is_reported_only_if_it_fails(exit_code, report, tmp_path):
    begin(report, tmp_path / "runs.jsonl", is_only_failure=True)
    report.write(exit_code)
    report._file.close()
    assert exits(tmp_path / "runs.jsonl") == [exit_code] * (exit_code > 0)


def test_only_the_first_beginning_counts(report, tmp_path):
    begin(report, tmp_path / "runs.jsonl")
    begin(report, tmp_path / "others.jsonl", is_only_failure=True)
    report.write(0)
    assert exits(tmp_path / "runs.jsonl") == [0]
    assert not (tmp_path / "others.jsonl").exists()
