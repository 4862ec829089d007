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


def begin(report, path):
    report.begin(str(path), plugin="tap-x", version="1.2")


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
    assert "report_path '/dev/full' cannot be written: No space left on device." in caplog.text
