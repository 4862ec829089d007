"""Tests of a run's calls: on worker threads, until the process is asked to stop."""

from __future__ import annotations

import threading

import pytest

from marketo_opps.plugin.process import ShutdownSignal
from target_marketo_opps.marketo_access import MarketoAccess


class Client:
    """A client that records how it is ended."""

    def __init__(self):
        self.ended = []

    def stop(self):
        self.ended.append("stop")

    def close(self):
        self.ended.append("close")


class Shutdown(ShutdownSignal):
    """A signal of the process that a test gives."""

    def request(self):
        for callback in self._callbacks:
            callback()


@pytest.fixture
def access():
    made = MarketoAccess(Client(), max_calls=2, shutdown=Shutdown(), lookup_field="email")
    yield made
    made.close()


def test_a_function_is_called_on_a_worker_thread_with_its_arguments(access):
    called = access.call(
        lambda *given, **named: (given, named, threading.current_thread().name), 1, 2, a=3
    )
    assert called[:2] == ((1, 2), {"a": 3})
    assert called[2] != threading.current_thread().name


def test_an_error_of_the_function_is_raised(access):
    with pytest.raises(ZeroDivisionError):
        access.call(divmod, 1, 0)


def test_a_request_to_stop_stops_the_client_and_wakes_the_main_thread(access):
    access._shutdown.request()
    assert access.client.ended == ["stop"]
    # Without the wake-up this would not return before the timeout of the test.
    assert not access.self_pipe.wait()


def test_closing_closes_the_client_and_the_self_pipe(access):
    access.close()
    assert access.client.ended == ["close"]
    with pytest.raises(ValueError, match="file descriptor"):
        access.self_pipe.wait(timeout_seconds=0)
