"""The dispatcher by itself: patience, progress and room, by a clock that is set by hand."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from marketo_opps import CallCounts, MarketoError, MarketoObject, Reason, StoppedError
from target_marketo_opps.delivery.batching import Batcher, Operation, OutboundRecord
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.dispatcher import Dispatcher, DispatchLimits
from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
from target_marketo_opps.delivery.outcomes import CREATED, BatchResult, Outcome, RecordOutcome
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError
from target_marketo_opps.mapping.record_mapping import MappedRecord
from target_marketo_opps.settings import TargetSettings
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.self_pipe import SelfPipe

BAD = Reject("s", MarketoObject.OPPORTUNITIES, {}, (Reason("1003", "Bad"),))
REFUSED = RecordOutcome(Outcome.REJECTED, (Reason("1003", "Bad"),), "r#7")


class Bench:
    """A dispatcher whose calls are answered by the test, or at once."""

    def __init__(self, *, at_once=True, rejects=None, limits=None, write_state=None, **settings):
        self.now, self.states, self.sent, self.at_once = 0.0, [], [], at_once
        self.futures, self.delivered_by, self.deliver = [], [], object()
        ledger = Ledger()
        self.batcher = Batcher(ledger)
        self.counters = RunCounters()
        self.counters.register_stream("s")
        self.recorder = OutcomeRecorder(self.counters, rejects, TargetSettings(**settings))
        self.self_pipe, self.shutdown = SelfPipe(), SimpleNamespace(requested=False)
        self.shutdown.raise_if_out_of_time = lambda: None
        self.dispatcher = Dispatcher(
            batcher=self.batcher,
            ledger=ledger,
            deliver=self.deliver,
            workers=self,
            max_in_flight=2,
            write_state=write_state or self.states.append,
            recorder=self.recorder,
            self_pipe=self.self_pipe,
            shutdown=self.shutdown,
            progress=lambda seconds: self.counters.progress(CallCounts(), seconds),
            clock=lambda: self.now,
            limits=limits or DispatchLimits(),
        )

    def submit(self, deliver, batch):
        self.delivered_by.append(deliver)
        self.sent.append(batch)
        self.futures.append(Future())
        if self.at_once:
            self.answer(len(self.futures) - 1)
        return self.futures[-1]

    def answer(self, number, *outcomes):
        """Respond to a call; all of its records are created unless told otherwise."""
        result = BatchResult(self.sent[number])
        result.outcomes[:] = outcomes or [CREATED] * len(result.outcomes)
        self.futures[number].set_result(result)

    def take(self, *keys, operation=Operation.SYNC):
        for key in keys:
            target = self.batcher.target(MarketoObject.OPPORTUNITIES, operation, ("k",))
            mapped = MappedRecord(key, (key,), b'{"k":1}')
            self.dispatcher.take(OutboundRecord("s", target, mapped, "s", {}))

    def send_open(self):
        """Have what has been taken sent, however little it is."""
        self.batcher.close_all()
        self.dispatcher.before_read(None)

    def tend(self, now):
        self.now = now
        self.dispatcher.before_read(None)
        self.dispatcher.before_read(None)


@pytest.fixture
def make_bench():
    benches = []

    def make(**options):
        benches.append(Bench(**options))
        return benches[-1]

    yield make
    for bench in benches:
        bench.self_pipe.close()


def test_an_open_batch_that_has_held_a_state_for_five_minutes_is_sent_short(make_bench):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(299)
    assert bench.sent == []
    bench.tend(301)
    assert [len(batch.records) for batch in bench.sent] == [1]
    assert bench.states == [1]
    assert bench.batcher.short_batches == 1


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


def test_progress_is_told_every_ten_seconds_at_most(make_bench, caplog):
    caplog.set_level("INFO")
    bench = make_bench()
    bench.take(*range(300))
    for now in range(26):
        bench.tend(now)
    lines = [line for line in caplog.messages if "settled" in line]
    assert len(lines) == 2
    assert lines[0].startswith("0 records read, 300 settled, 0 rejected")


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


BODY_BYTES = len(b'{"k":1}')


@pytest.mark.parametrize(
    "limits",
    [
        DispatchLimits(max_waiting_records=5),
        DispatchLimits(max_waiting_bytes=5 * BODY_BYTES),
    ],
)
def test_too_many_waiting_records_or_bytes_send_a_batch_short(make_bench, limits):
    bench = make_bench(limits=limits)
    bench.take("b", *["a"] * 6)
    assert bench.sent == []
    assert bench.batcher.waiting_records == 5
    bench.take("a")
    assert [len(batch.records) for batch in bench.sent] == [2]
    bench.take(*["a"] * 13)
    bench.dispatcher.finish()
    assert sum(len(batch.records) for batch in bench.sent) == 21
    assert bench.batcher.waiting_records == 0


def test_ten_thousand_records_or_twenty_megabytes_may_wait():
    limits = DispatchLimits()
    assert (limits.max_waiting_records, limits.max_waiting_bytes) == (10_000, 20_000_000)


@pytest.mark.parametrize("most", [-1, 1])
def test_rejects_within_the_limit_pass(make_bench, most):
    bench = make_bench(max_rejects=most)
    bench.recorder.reject("s", "k", BAD)
    assert bench.counters.rejected == 1


def test_one_reject_too_many_ends_the_run(make_bench):
    bench = make_bench(max_rejects=1)
    bench.recorder.reject("s", "k", BAD)
    with pytest.raises(RejectLimitError, match=r"Rejected records: 2.*1003 Bad"):
        bench.recorder.reject("s", "k", BAD)


def test_rejects_are_flushed_before_a_state_passes_them(make_bench):
    order, rejects = [], Mock()
    rejects.flush.side_effect = lambda: order.append("flush")
    bench = make_bench(max_rejects=-1, rejects=rejects, write_state=order.append)
    bench.recorder.reject("s", "k", Reject("s", MarketoObject.OPPORTUNITIES, {}, ()))
    bench.dispatcher.checkpoint("state")
    assert order == ["flush", "state"]


def test_no_more_batches_are_in_flight_than_allowed(make_bench):
    bench = make_bench(at_once=False)
    assert not bench.dispatcher.has_failed
    for key in "abc":
        bench.take(key)
        bench.batcher.close_all()
    bench.dispatcher.before_read(None)
    assert len(bench.sent) == 2


def test_every_verdict_of_a_batch_is_counted(make_bench):
    bench = make_bench(at_once=False, max_rejects=-1)
    bench.take(*"abc")
    bench.dispatcher.checkpoint(1)
    bench.send_open()
    assert bench.states == []
    bench.answer(0, CREATED, REFUSED, CREATED)
    bench.dispatcher.before_read(None)
    assert bench.counters.rejected == 1
    assert "2 created" in bench.counters.closing_line(CallCounts(), 0.0)
    assert bench.states == [1]


def test_what_other_calls_settle_after_a_failure_is_still_counted_and_released(make_bench):
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


# Waiting


@pytest.fixture
def waits(monkeypatch):
    """Has a bench's waits pass at once by its clock, and tells what they were for."""

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


def test_a_call_is_waited_for_no_longer_than_until_progress_is_due(make_bench, monkeypatch, caplog):
    caplog.set_level("INFO")
    bench = make_bench(at_once=False)
    bench.take("a")

    def wait(*, timeout_seconds):
        bench.now += timeout_seconds
        if bench.now > 25:
            bench.answer(0)

    monkeypatch.setattr(bench.self_pipe, "wait", wait)
    bench.dispatcher.finish()
    told = [line.rpartition(", ")[2] for line in caplog.messages if "settled" in line]
    assert told == ["10 s.", "20 s.", "30 s."]


def test_what_is_due_soon_is_not_slept_through(make_bench, waits):
    bench = make_bench()
    asked = waits(bench)
    bench.now = 9.75
    bench.dispatcher.before_read(7)
    assert asked == [(0.25, {"readable": [7]})]


def test_the_first_state_to_wait_decides_how_long_to_sleep(make_bench, waits):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(295)
    asked = waits(bench)
    bench.dispatcher.before_read(7)
    assert asked == [(5, {"readable": [7]})]


def test_calls_in_flight_are_waited_for_as_long_as_patience_lasts(make_bench, waits):
    bench = make_bench(at_once=False)
    bench.take(*range(300))
    waits(bench)
    bench.dispatcher.await_in_flight(patience_seconds=10)
    assert 10 <= bench.now < 10.5


def test_nothing_is_waited_for_where_nothing_is_in_flight(make_bench, waits):
    bench = make_bench()
    asked = waits(bench)
    bench.dispatcher.await_in_flight(patience_seconds=1)
    assert asked == []


def test_whoever_is_asked_to_end_waits_for_neither_input_nor_calls(make_bench, waits):
    bench = make_bench(at_once=False)
    asked = waits(bench)
    bench.take("a")
    bench.shutdown.requested = True
    with pytest.raises(StoppedError, match="goes on from the last STATE"):
        bench.dispatcher.before_read(7)
    assert asked == []
    with pytest.raises(StoppedError, match="goes on from the last STATE"):
        bench.dispatcher.finish()


def test_a_record_in_line_that_a_late_state_waits_for_is_left_there(make_bench):
    bench = make_bench(at_once=False)
    bench.take("a")
    bench.send_open()
    bench.take("a")
    bench.dispatcher.checkpoint(1)
    bench.tend(1000)
    assert bench.batcher.waiting_records == 1


# Rejects


def deliver_rejected(bench, *keys):
    """Have a batch of these keys refused, record by record."""
    bench.take(*keys)
    bench.send_open()
    bench.answer(-1, *[REFUSED] * len(keys))
    bench.dispatcher.before_read(None)


def test_a_reject_is_written_and_told_as_it_was(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1)
    bench.recorder.reject("s", "K 7", BAD)
    rejects.write.assert_called_once_with(BAD)
    assert list(bench.counters.summary_lines()) == ["1 rejected with 1003 (Bad): K 7"]


def test_what_marketo_refuses_is_written_and_told_by_the_key_that_was_sent(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1, at_once=False)
    deliver_rejected(bench, "a")
    reject = Reject("s", MarketoObject.OPPORTUNITIES, {}, (Reason("1003", "Bad"),), "r#7")
    rejects.write.assert_called_once_with(reject)
    assert list(bench.counters.summary_lines()) == ["1 rejected with 1003 (Bad): 1"]


def test_a_batch_with_too_many_rejects_ends_the_run_once_all_are_kept(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=1, at_once=False)
    with pytest.raises(RejectLimitError, match=r"Rejected records: 2,"):
        deliver_rejected(bench, "a", "b", "c")
    assert rejects.write.call_count == bench.counters.rejected == 3
    assert bench.dispatcher.has_failed


def test_a_reject_without_reason_or_request_is_told_all_the_same(make_bench):
    bench = make_bench()
    with pytest.raises(RejectLimitError, match=r"the last reason: no reason given\. C"):
        bench.recorder.reject("s", "k", Reject("s", MarketoObject.OPPORTUNITIES, {}, ()))


def test_the_request_id_of_the_last_reject_is_told(make_bench):
    bench = make_bench(at_once=False)
    with pytest.raises(RejectLimitError, match=r"1003 Bad, requestId r#7\. C"):
        deliver_rejected(bench, "k")


def test_a_reject_is_kept_under_the_name_its_stream_had_on_arrival(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1, at_once=False)
    target = bench.batcher.target(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("a", "b"))
    body, source = b'{"a":1,"b":"x"}', {"z": 1}
    mapped = MappedRecord("k", ("k",), body)
    bench.dispatcher.take(OutboundRecord("s", target, mapped, "arrived", source))
    bench.send_open()
    bench.answer(0, REFUSED)
    bench.dispatcher.before_read(None)
    reject = Reject("arrived", MarketoObject.OPPORTUNITIES, source, REFUSED.reasons, "r#7")
    rejects.write.assert_called_once_with(reject)
    assert list(bench.counters.summary_lines()) == ["1 rejected with 1003 (Bad): 1/x"]


def test_batches_go_to_the_function_that_delivers(make_bench):
    bench = make_bench()
    bench.take("a")
    bench.dispatcher.finish()
    assert bench.delivered_by == [bench.deliver]
