"""The log lines at the end of a run."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from marketo_opps import CallCounts, Reason
from marketo_opps.plugin.errors import OutputFileError
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.run_summary import RunSummary
from target_marketo_opps.settings import TargetSettings

CLOSING = "No records; 2 calls, 0 retries, 3.0 s."


@pytest.fixture
def logged(caplog):
    """Return a function that logs the summary of a run, and returns the lines with their level."""
    caplog.set_level(logging.INFO)

    def log(counters=None, rejects=None, **settings):
        summary = RunSummary(TargetSettings(**settings), counters or RunCounters(), rejects)
        summary.log(CallCounts(calls=2), short_batches=1, seconds=3.0)
        return [(each.levelname, each.getMessage()) for each in caplog.records]

    return log


def with_reject():
    counters = RunCounters()
    counters.register_stream("deals")
    counters.reject("deals", "K", [Reason("1003", "Bad")])
    return counters


def test_the_closing_line_comes_last(logged):
    assert logged() == [("INFO", "Calls sent before they were full: 1."), ("INFO", CLOSING)]


def test_a_dry_run_says_so(logged):
    line = f"Dry run, if Marketo accepts every record: {CLOSING}"
    assert logged(dry_run=True)[-1] == ("INFO", line)


def test_rejects_are_warnings_and_their_file_is_named_if_written(logged):
    flushed = []
    file = SimpleNamespace(flush=lambda: flushed.append(True))
    lines = logged(with_reject(), file, rejects_path="bad.jsonl")
    assert lines[1:3] == [
        ("WARNING", "1 rejected with 1003 (Bad): K"),
        ("INFO", "All rejected records were written to 'bad.jsonl'."),
    ]
    assert flushed == [True]


def test_the_file_is_not_named_without_rejects_or_if_it_fails(logged):
    def fail():
        raise OutputFileError("full")

    for counters in (None, with_reject()):
        lines = logged(counters, None, rejects_path="bad.jsonl")
        assert not any("bad.jsonl" in line for _, line in lines)
    file = SimpleNamespace(flush=fail)
    lines = logged(with_reject(), file, rejects_path="bad.jsonl")
    assert not any("bad.jsonl" in line for _, line in lines)
    assert lines[-1][1].startswith("deals: ")


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        (None, "today."),
        (50_000, "today; daily_call_limit allows 48,766 more."),
        (1_000, "today; daily_call_limit allows 0 more."),
    ],
)
def test_the_cost_of_a_real_run_is_told(caplog, limit, left):
    caplog.set_level(logging.INFO)
    RunSummary(TargetSettings(), RunCounters(), None).log_dry_run_cost(5_000, 1_234, limit)
    (line,) = caplog.messages
    assert line == (
        "Dry run: nothing was written, and write permission was not checked. A real run would "
        f"make about 5,000 calls. All clients of this instance have made 1,234 calls {left}"
    )
