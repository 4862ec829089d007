"""Attempts that are over, and those that are overdue."""

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


def test_an_attempt_that_is_over_in_time_is_not_ended_later():
    with contextlib.closing(Watchdog()) as watchdog:
        with watchdog.attempt(0.3) as quick:
            pass
        with watchdog.attempt(0.4) as slow:
            wait_for(lambda: slow.is_overdue)
        assert not quick.is_overdue


def test_a_short_attempt_is_ended_though_a_long_one_began_before():
    with (
        contextlib.closing(Watchdog()) as watchdog,
        watchdog.attempt(1000) as patient,
        watchdog.attempt(0.01) as hasty,
    ):
        wait_for(lambda: hasty.is_overdue)
        assert not patient.is_overdue


def test_its_thread_ends_with_it():
    with contextlib.closing(Watchdog()) as watchdog:
        before = {*threading.enumerate()}
        with watchdog.attempt(1000):
            (thread,) = {*threading.enumerate()} - before
    wait_for(lambda: not thread.is_alive())
