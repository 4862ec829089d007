"""Test the dispatcher: overdue STATEs, progress lines and the memory limit."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from marketo_opps import MarketoError, MarketoObject, StoppedError
from target_marketo_opps.delivery.batches import RECORD_OVERHEAD_BYTES, Operation
from target_marketo_opps.delivery.outcomes import BatchResult
from target_marketo_opps.delivery.rejects import Reject
from tests.target_marketo_opps.delivery.bench import BODY, SOURCE


def test_batch_that_held_a_state_for_five_minutes_is_sent_short(make_bench):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(299)
    assert bench.sent == []
    bench.tend(301)
    assert [len(batch.records) for batch in bench.sent] == [1]
    assert bench.states == [1]
    assert bench.waiting.batches.short_batches == 1


def test_later_states_do_not_make_the_first_wait_longer(make_bench):
    bench = make_bench()
    bench.take("a")
    for now in range(0, 300, 10):
        bench.tend(now)
        bench.dispatcher.checkpoint(now)
    bench.tend(301)
    assert bench.states == [290]


def test_an_open_batch_that_holds_no_state_is_left_open(make_bench):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.now = 100
    bench.take("b", operation=Operation.DELETE)
    bench.tend(301)
    assert [batch.target.operation for batch in bench.sent] == [Operation.SYNC]


def test_progress_is_logged_every_ten_seconds_at_most(make_bench, caplog):
    caplog.set_level("INFO")
    bench = make_bench()
    bench.take(*range(300))
    for now in range(26):
        bench.tend(now)
    lines = [line for line in caplog.messages if "settled" in line]
    assert len(lines) == 2
    assert lines[0].startswith("300 of 0 records settled, 0 rejected")


def test_no_more_than_the_allowed_calls_are_in_flight(make_bench):
    bench = make_bench(at_once=False)
    bench.take(*range(899))
    assert len(bench.sent) == 2
    bench.answer(1)
    bench.take(*range(899, 950))
    assert len(bench.sent) == 3


def test_full_batches_wait_while_all_calls_are_in_flight(make_bench, monkeypatch):
    bench = make_bench(at_once=False)
    monkeypatch.setattr(bench.self_pipe, "wait", lambda **_: bench.answer(0))
    bench.take(*range(900))
    assert len(bench.sent) == 3


def test_fullest_batch_is_sent_if_memory_is_short(make_bench):
    one = len(BODY) * 3 // 2 + len(SOURCE) + RECORD_OVERHEAD_BYTES
    bench = make_bench(room={"max_held_bytes": 7 * one})
    bench.take("b", *["a"] * 6)
    assert bench.sent == []
    bench.take("a")
    assert [len(batch.records) for batch in bench.sent] == [2]
    bench.take(*["a"] * 13)
    bench.dispatcher.finish()
    assert sum(len(batch.records) for batch in bench.sent) == 21
    assert bench.waiting.held_bytes == 0


def test_call_in_flight_is_awaited_if_memory_is_short(make_bench, monkeypatch):
    one = len(BODY) * 3 // 2 + len(SOURCE) + RECORD_OVERHEAD_BYTES
    bench = make_bench(at_once=False, room={"max_held_bytes": 301 * one})
    bench.take(*range(300))
    monkeypatch.setattr(bench.self_pipe, "wait", lambda **_: bench.answer(0))
    bench.take("a", "b")
    assert len(bench.sent) == 1
    assert bench.waiting.held_bytes == 2 * one


def test_rejects_are_flushed_before_a_later_state_is_written(make_bench):
    order, rejects = [], Mock()
    rejects.flush.side_effect = lambda: order.append("flush")
    bench = make_bench(max_rejects=-1, rejects=rejects, write_state=order.append)
    bench.rejects.reject("s", "k", Reject("s", MarketoObject.OPPORTUNITIES, {}, ()))
    bench.dispatcher.checkpoint("state")
    assert order == ["flush", "state"]


def test_no_more_batches_are_in_flight_than_allowed(make_bench):
    bench = make_bench(at_once=False)
    assert not bench.dispatcher.has_failed
    for key in "abc":
        bench.take(key)
        bench.waiting.batches.close_all()
    bench.dispatcher.before_read(None)
    assert len(bench.sent) == 2


def test_results_after_a_failure_are_counted_and_states_written(make_bench):
    bench = make_bench(at_once=False)
    for value, key in enumerate("ab", start=1):
        bench.take(key)
        bench.send_open()
        bench.dispatcher.checkpoint(value)
    failed = BatchResult(bench.sent[1])
    failed.failure = MarketoError("lost")
    bench.futures[1].set_result(failed)
    with pytest.raises(MarketoError, match="lost"):
        bench.dispatcher.before_read(None)
    bench.answer(0)
    bench.dispatcher.await_in_flight(patience_seconds=1)
    assert bench.states == [1]
    assert bench.dispatcher.has_failed


@pytest.fixture
def waits(monkeypatch):
    """Replace the waits of a bench: each ends immediately, and its arguments are recorded."""

    def of(bench):
        asked = []

        def wait(*, timeout_seconds, **descriptors):
            asked.append((timeout_seconds, descriptors))
            bench.now += timeout_seconds
            assert len(asked) < 100, "waits for ever"
            return bool(descriptors)

        monkeypatch.setattr(bench.self_pipe, "wait", wait)
        return asked

    return of


def test_input_is_waited_for_until_something_else_is_due(make_bench, waits):
    bench = make_bench()
    asked = waits(bench)
    bench.dispatcher.before_read(7)
    assert asked == [(10.0, {"readable": [7]})]


def test_wait_for_a_call_ends_when_progress_is_due(make_bench, monkeypatch, caplog):
    caplog.set_level("INFO")
    bench = make_bench(at_once=False)
    bench.take("a")
    moments = []

    def wait(*, timeout_seconds):
        moments.extend((bench.now, line) for line in caplog.messages[len(moments) :])
        bench.now += timeout_seconds
        if bench.now > 25:
            bench.answer(0)

    monkeypatch.setattr(bench.self_pipe, "wait", wait)
    bench.dispatcher.finish()
    moments.extend((bench.now, line) for line in caplog.messages[len(moments) :])
    assert [now for now, line in moments if "settled" in line] == [10, 20, 30]


def test_wait_for_input_ends_when_a_state_is_overdue(make_bench, waits):
    bench = make_bench()
    asked = waits(bench)
    bench.now = 9.75
    bench.dispatcher.before_read(7)
    assert asked == [(0.25, {"readable": [7]})]


def test_oldest_state_decides_how_long_to_wait(make_bench, waits):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(295)
    asked = waits(bench)
    bench.dispatcher.before_read(7)
    assert asked == [(5, {"readable": [7]})]


def test_calls_in_flight_are_awaited_until_patience_ends(make_bench, waits):
    bench = make_bench(at_once=False)
    bench.take(*range(300))
    waits(bench)
    bench.dispatcher.await_in_flight(patience_seconds=10)
    assert 10 <= bench.now < 10.5


def test_no_wait_without_calls_in_flight(make_bench, waits):
    bench = make_bench()
    asked = waits(bench)
    bench.dispatcher.await_in_flight(patience_seconds=1)
    assert asked == []


def test_shutdown_request_ends_waits_for_input_and_calls(make_bench, waits):
    bench = make_bench(at_once=False)
    asked = waits(bench)
    bench.take("a")
    bench.shutdown.requested = True
    with pytest.raises(StoppedError, match="resumes from the last STATE"):
        bench.dispatcher.before_read(7)
    assert asked == []
    with pytest.raises(StoppedError, match="resumes from the last STATE"):
        bench.dispatcher.finish()


def test_queued_record_that_blocks_an_overdue_state_stays(make_bench):
    bench = make_bench(at_once=False)
    bench.take("a")
    bench.send_open()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(1000)
    assert [list(batch.by_key) for batch in bench.sent] == [["a"]]
    bench.answer(0)
    bench.tend(1001)
    assert [list(batch.by_key) for batch in bench.sent] == [["a"], ["a"]]


def test_batches_are_passed_to_the_deliver_function(make_bench):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.finish()
    assert bench.delivered_by == [bench.deliver]
