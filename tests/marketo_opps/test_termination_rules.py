"""How a process ends, by itself: the grace after a signal, and what the end does not depend on."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import Future
from unittest.mock import Mock

import pytest

from marketo_opps import StoppedError, process
from marketo_opps.process import GRACE_SECONDS, Termination


@pytest.fixture
def alarms(monkeypatch):
    set_to = []
    monkeypatch.setattr(signal, "setitimer", lambda _which, seconds: set_to.append(seconds))
    return set_to


def test_the_grace_begins_with_the_signal_and_the_last_resort_comes_after_it(alarms):
    now = 1000.0
    termination = Termination(clock=lambda: now)
    termination._handle(signal.SIGTERM, None)
    now += GRACE_SECONDS
    termination.raise_if_out_of_time()
    now += 0.1
    with pytest.raises(StoppedError, match="took too long"):
        termination.result(Future())
    assert alarms == [GRACE_SECONDS + 2]


@pytest.mark.parametrize("error", [ValueError("closed"), BrokenPipeError()])
@pytest.mark.parametrize("code", [0, 143])
def test_a_stderr_that_is_gone_changes_no_exit_code(monkeypatch, error, code):
    monkeypatch.setattr(sys, "stderr", Mock(flush=Mock(side_effect=error)))
    assert process._flush(code) == code
