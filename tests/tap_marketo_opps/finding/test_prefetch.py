"""Tests of prefetching, and of the order in which pages are delivered."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from marketo_opps import StoppedError
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tests.tap_marketo_opps.finding.fakes import AtOnce, page_of


class Stuck:
    """Workers that never make a call."""

    def submit(self, _function):
        return Future()


class StopRequest(ShutdownSignal):
    """A stop signal that a test sets, without a grace period."""

    requested = False


def _once(call):
    return lambda before: call if before is None else None


def test_pages_come_in_order_with_a_bounded_number_under_way():
    workers = AtOnce()
    prefetcher = OrderedPrefetcher(workers, 3, ShutdownSignal())
    for number in range(10):
        prefetcher.add(number, _once(lambda number=number: page_of([number])))
    assert workers.submitted == 3
    taken = []
    while len(prefetcher):
        tag, page = prefetcher.next_page()
        taken.append((tag, page.records[0]))
        assert workers.submitted <= len(taken) + 3
    assert taken == [(number, number) for number in range(10)]


def test_after_a_stop_request_calls_under_way_get_the_grace():
    shutdown = StopRequest()
    prefetcher = OrderedPrefetcher(Stuck(), 1, shutdown)
    prefetcher.add("a", _once(lambda: None))
    prefetcher.add("b", _once(lambda: None))
    shutdown.requested = True
    with pytest.raises(StoppedError, match="did not finish in time"):
        prefetcher.next_page()


def test_a_call_not_started_before_a_stop_request_never_is():
    shutdown = StopRequest()
    shutdown.requested = True
    workers = AtOnce()
    prefetcher = OrderedPrefetcher(workers, 1, shutdown)
    prefetcher.add("a", _once(lambda: None))
    with pytest.raises(StoppedError, match="no new calls"):
        prefetcher.next_page()
    assert workers.submitted == 0


def test_threads_may_answer_in_any_order():
    first_may_answer = threading.Event()

    class Threads:
        def submit(self, function):
            future = Future()
            threading.Thread(target=lambda: future.set_result(function())).start()
            return future

    def slow():
        first_may_answer.wait(5)
        return page_of(["slow"])

    def quick():
        first_may_answer.set()
        return page_of(["quick"])

    prefetcher = OrderedPrefetcher(Threads(), 2, ShutdownSignal())
    prefetcher.add(1, _once(slow))
    prefetcher.add(2, _once(quick))
    assert [prefetcher.next_page()[1].records[0] for _ in range(2)] == ["slow", "quick"]


def test_meanwhile_is_called_with_each_page():
    done = []
    prefetcher = OrderedPrefetcher(AtOnce(), 3, ShutdownSignal(), lambda: done.append(1))
    for number in range(4):
        prefetcher.add(number, _once(lambda: page_of([])))
    while len(prefetcher):
        prefetcher.next_page()
    assert len(done) == 4
