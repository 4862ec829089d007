"""Tests of how a run ends: what is still delivered, awaited, logged and closed."""

from __future__ import annotations

import pytest

from marketo_opps import MarketoError
from marketo_opps.plugin.process import ShutdownSignal
from target_marketo_opps.run import TargetRun
from target_marketo_opps.settings import TargetSettings
from tests.target_marketo_opps.conftest import logged

CONFIG = {
    "endpoint": "http://127.0.0.1:9",
    "client_id": "i",
    "client_secret": "s",
    "max_concurrent_calls": 2,
}


class Dispatcher:
    """A dispatcher that records what it is asked to do, and can fail."""

    def __init__(self, *, has_failed=False, error=None):
        self.has_failed = has_failed
        self.done = []
        self._error = error

    def _do(self, name):
        self.done.append(name)
        if self._error:
            raise self._error

    def finish(self):
        self._do("finish")

    def await_in_flight(self, *, patience_seconds):
        self._do(f"await for {patience_seconds:.0f} s")


@pytest.fixture
def run_of():
    """Return a function that returns a run with this dispatcher, which ends after the test."""
    runs = []

    def make(dispatcher):
        settings = TargetSettings.from_config(CONFIG)
        runs.append(TargetRun(CONFIG, settings, shutdown=ShutdownSignal()))
        runs[-1].dispatcher = dispatcher
        return runs[-1]

    yield make
    for run in runs:
        run.end(deliver_rest=False)


def _ended(run, **how):
    lines = []
    with logged(lines):
        run.end(**how)
    return lines


@pytest.mark.parametrize(
    ("deliver_rest", "has_failed", "done"),
    [
        (True, False, ["finish", "await for 75 s"]),
        (True, True, ["await for 75 s"]),
        (False, False, ["await for 75 s"]),
        (False, True, ["await for 75 s"]),
    ],
)
def test_the_rest_is_delivered_if_asked_for_and_nothing_failed(
    run_of, deliver_rest, has_failed, done
):
    dispatcher = Dispatcher(has_failed=has_failed)
    _ended(run_of(dispatcher), deliver_rest=deliver_rest)
    assert dispatcher.done == done


def test_errors_at_the_end_do_not_replace_the_one_that_ended_the_run(run_of):
    dispatcher = Dispatcher(error=MarketoError("late"))
    lines = _ended(run_of(dispatcher), deliver_rest=True)
    assert dispatcher.done == ["finish", "await for 75 s"]
    assert lines[-1].endswith(" s.")


def test_no_call_is_made_after_the_end(run_of):
    run = run_of(Dispatcher())
    _ended(run, deliver_rest=False)
    with pytest.raises(MarketoError):
        run.marketo.client.calls_today()
    assert run.marketo.client.counts.calls == 0


def test_a_second_end_does_nothing(run_of):
    dispatcher = Dispatcher()
    run = run_of(dispatcher)
    assert _ended(run, deliver_rest=False)
    assert _ended(run, deliver_rest=True) == []
    assert dispatcher.done == ["await for 75 s"]


def test_calls_that_were_not_full_are_counted_at_the_end(run_of):
    run = run_of(Dispatcher())
    run.waiting.batches.short_batches = 3
    assert "Calls sent before they were full: 3." in _ended(run, deliver_rest=False)
