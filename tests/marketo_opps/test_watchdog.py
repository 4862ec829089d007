"""Attempts that finish in time, and attempts that are overdue."""

from __future__ import annotations

import contextlib
import threading
import time

from marketo_opps.watchdog import Watchdog


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert condition()


def test_an_attempt_that_finishes_in_time_is_not_ended():
    with contextlib.closing(Watchdog()) as watchdog:
        with watchdog.attempt(0.3) as quick:
            pass
        with watchdog.attempt(0.4) as slow:
            wait_for(lambda: slow.is_overdue)
        assert not quick.is_overdue


def test_a_short_attempt_is_ended_before_an_earlier_long_one():
    with (
        contextlib.closing(Watchdog()) as watchdog,
        watchdog.attempt(1000) as patient,
        watchdog.attempt(0.01) as hasty,
    ):
        wait_for(lambda: hasty.is_overdue)
        assert not patient.is_overdue


def test_closing_the_watchdog_ends_its_thread():
    with contextlib.closing(Watchdog()) as watchdog:
        before = {*threading.enumerate()}
        with watchdog.attempt(1000):
            (thread,) = {*threading.enumerate()} - before
    wait_for(lambda: not thread.is_alive())
