"""Daemon threads that make calls."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from marketo_opps.plugin.workers import Workers


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("test-")]


@pytest.fixture
def workers():
    made = Workers(2, "test")
    yield made
    made.close()
    for thread in threads():
        thread.join(timeout=5)


def test_each_thread_has_a_name_of_its_own(workers):
    assert {thread.name for thread in threads()} == {"test-0", "test-1"}


def test_a_future_returns_the_result_of_its_function(workers):
    assert workers.submit(lambda a, *, b: a + b, 1, b=2).result(timeout=5) == 3


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_an_exception_is_raised_by_its_future_and_ends_no_thread(error, workers):
    def fail():
        raise error

    futures = [workers.submit(fail) for _ in range(4)]
    for future in futures:
        assert future.exception(timeout=5) is error
    assert workers.submit(lambda: "alive").result(timeout=5) == "alive"


def test_functions_run_in_the_order_of_submission():
    workers = Workers(1, "test")
    done = []
    futures = [workers.submit(done.append, index) for index in range(20)]
    workers.close()
    for future in futures:
        future.result(timeout=5)
    assert done == list(range(20))


def test_as_many_functions_run_at_once_as_there_are_threads(workers):
    both = threading.Barrier(2)
    futures = [workers.submit(both.wait, 5) for _ in range(2)]
    assert sorted(future.result(timeout=5) for future in futures) == [0, 1]


def test_a_cancelled_function_is_not_run(workers):
    go = threading.Event()
    for _ in range(2):
        workers.submit(go.wait, 5)
    done = []
    future = workers.submit(done.append, 1)
    assert future.cancel()
    go.set()
    workers.submit(int).result(timeout=5)
    assert done == []


def test_closing_runs_what_was_submitted_and_ends_the_threads():
    workers = Workers(1, "test")
    futures = [workers.submit(int, "7") for _ in range(5)]
    workers.close()
    assert [future.result(timeout=5) for future in futures] == [7] * 5
    for thread in threads():
        thread.join(timeout=5)
    assert not threads()


def test_a_process_does_not_wait_for_its_slowest_call():
    script = (
        "import threading; from marketo_opps.plugin.workers import Workers\n"
        "workers = Workers(2, 'x'); began = threading.Event()\n"
        "workers.submit(lambda: (began.set(), threading.Event().wait(60)))\n"
        "began.wait(5); print('over')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True
    )
    assert ended.stdout == "over\n"
