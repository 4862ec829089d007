"""Records in line: none overtakes another, none is passed over, and lines do not grow for ever."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from marketo_opps import CallCounts, MarketoError, MarketoObject, Reason, StoppedError
from target_marketo_opps import dispatch
from target_marketo_opps.batching import MAX_RECORD_BYTES, Batcher, Operation, Outgoing
from target_marketo_opps.dispatch import Dispatcher
from target_marketo_opps.ledger import Ledger
from target_marketo_opps.rejects import Reject
from target_marketo_opps.settings import TargetSettings
from target_marketo_opps.tally import Tally
from target_marketo_opps.verdicts import CREATED, Delivery, Fate, Verdict


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def batcher(ledger):
    return Batcher(ledger)


def put(batcher, key, *locks):
    lane = batcher.lane(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("k",))
    record = Outgoing("s", lane, key, locks or (key,), b'{"k":1}', "s", {})
    batcher.add(record)
    return record


def sent(batcher):
    """All keys in the order in which they would reach Marketo, settling one batch at a time."""
    keys = []
    while True:
        batcher.close_all()
        if not batcher.closed:
            return keys
        batch = batcher.closed.popleft()
        keys.append({record.key for record in batch.records})
        batcher.settle(batch)


def test_a_record_in_two_lines_goes_only_when_it_heads_both(batcher):
    put(batcher, "first", "guid 1")
    batcher.close_all()
    first = batcher.closed.popleft()
    put(batcher, "other", "guid 2")
    batcher.close_all()
    other = batcher.closed.popleft()
    # The second stands in both lines; the third behind it in one, and first in a line of its own.
    put(batcher, "second", "guid 1", "opportunity")
    put(batcher, "third", "opportunity", "guid 2")
    batcher.settle(other)
    assert batcher.waiting_records == 2
    batcher.settle(first)
    assert sent(batcher) == [{"second", "third"}]
    assert batcher.waiting_records == batcher.waiting_bytes == 0


def test_short_batches_are_counted(batcher):
    for key in "ab":
        put(batcher, key)
        (batch,) = batcher.open_batches()
        batcher.close(batch)
    assert batcher.short_batches == 2


class Workers:
    def __init__(self):
        self.futures = []

    def submit(self, _deliver, batch):
        future = Future()
        self.futures.append((future, batch))
        return future


@pytest.fixture
def workers():
    return Workers()


@pytest.fixture
def dispatcher(batcher, ledger, workers):
    tally = Tally()
    tally.begin("s")
    return Dispatcher(
        batcher=batcher,
        ledger=ledger,
        deliver=None,
        workers=workers,
        max_in_flight=2,
        write_state=Mock(),
        tally=tally,
        rejects=None,
        settings=TargetSettings(),
        wakeup=Mock(),
        termination=Mock(requested=False),
        counts=CallCounts,
        clock=lambda: 0.0,
    )


@pytest.mark.parametrize(
    ("records", "size_bytes", "crowded"),
    [(10_000, 20_000_000, False), (10_001, 0, True), (1, 20_000_001, True)],
)
def test_too_many_waiting_records_or_bytes_each_are_a_crowd(
    dispatcher, batcher, records, size_bytes, crowded
):
    batcher.waiting_records, batcher.waiting_bytes = records, size_bytes
    assert dispatcher._is_crowded() is crowded


def test_what_other_calls_settle_after_a_failure_is_still_counted_and_released(
    dispatcher, batcher, workers
):
    put(batcher, "a")
    batcher.close_all()
    dispatcher.checkpoint(1)
    put(batcher, "b")
    batcher.close_all()
    dispatcher.checkpoint(2)
    dispatcher._send_closed()
    (good, good_batch), (bad, bad_batch) = workers.futures
    failed = Delivery(bad_batch)
    failed.failure = MarketoError("lost")
    bad.set_result(failed)
    with pytest.raises(MarketoError, match="lost"):
        dispatcher.before_read(None)
    delivery = Delivery(good_batch)
    delivery.verdicts[:] = [CREATED]
    good.set_result(delivery)
    dispatcher.settle_in_flight(patience_seconds=1)
    dispatcher._write_state.assert_called_once_with(1)
    assert dispatcher.has_failed


def test_whoever_is_asked_to_end_waits_for_neither_input_nor_calls(dispatcher, batcher):
    put(batcher, "a")
    dispatcher._termination.requested = True
    with pytest.raises(StoppedError, match="goes on from the last STATE"):
        dispatcher.before_read(7)
    with pytest.raises(StoppedError, match="goes on from the last STATE"):
        dispatcher.finish()


def test_a_reject_without_reason_or_request_is_told_all_the_same(dispatcher):
    with pytest.raises(dispatch.RejectLimitError, match=r"the last reason: no reason given\. C"):
        dispatcher.reject("s", "k", Reject("s", MarketoObject.OPPORTUNITIES, {}, ()))


def test_the_request_id_of_the_last_reject_is_told(dispatcher):
    reject = Reject("s", MarketoObject.OPPORTUNITIES, {}, (Reason("1003", "Bad"),), "r#7")
    with pytest.raises(dispatch.RejectLimitError, match=r"1003 Bad, requestId r#7\. C"):
        dispatcher.reject("s", "k", reject)


def test_a_reject_is_kept_under_the_name_its_stream_had_on_arrival(dispatcher, batcher):
    lane = batcher.lane(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("a", "b"))
    record = Outgoing("mapped", lane, "k", ("k",), b'{"a":1,"b":"x"}', "arrived", {"z": 1})
    reject = dispatch._reject(record, SimpleNamespace(reasons=[], request_id="r"))
    assert (reject.stream, reject.record, reject.request_id) == ("arrived", {"z": 1}, "r")
    assert dispatch._shown_key(record) == "1/x"


def test_no_more_batches_are_in_flight_than_allowed(dispatcher, batcher, workers):
    assert not dispatcher.has_failed
    for key in "abc":
        put(batcher, key)
        batcher.close_all()
    dispatcher._send_closed()
    assert len(workers.futures) == 2


def test_every_verdict_of_a_batch_is_counted(dispatcher, batcher, workers):
    dispatcher._settings = TargetSettings(max_rejects=-1)
    for key in "abc":
        put(batcher, key)
    batcher.close_all()
    dispatcher.checkpoint(1)
    dispatcher._send_closed()
    ((future, batch),) = workers.futures
    delivery = Delivery(batch)
    refused = Verdict(Fate.REJECTED, (Reason("1003", "Bad"),), "r")
    delivery.verdicts[:] = [CREATED, refused, CREATED]
    future.set_result(delivery)
    dispatcher.before_read(None)
    assert dispatcher._tally.rejected == 1
    assert "2 created" in dispatcher._tally.closing(CallCounts(), 0.0)
    dispatcher._write_state.assert_called_once_with(1)


def test_a_record_in_line_that_a_late_state_waits_for_is_left_there(dispatcher, batcher):
    put(batcher, "a")
    batcher.close_all()
    put(batcher, "a")
    dispatcher.checkpoint(1)
    dispatcher._clock = lambda: 1000.0
    dispatcher.before_read(None)
    assert batcher.waiting_records == 1


def put_bytes(batcher, key, lock, size_bytes):
    lane = batcher.lane(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("k",))
    batcher.add(Outgoing("s", lane, key, (lock,), b"x" * size_bytes, "s", {}))


def test_a_record_joins_the_batch_that_has_its_lock_and_no_other(batcher):
    put_bytes(batcher, "a", "guid 1", 900_000)
    put_bytes(batcher, "b", "guid 2", 200_000)
    put_bytes(batcher, "c", "guid 2", 10)
    assert [len(batch.records) for batch in batcher.open_batches()] == [1, 2]


def test_a_record_that_its_locks_batch_has_no_room_for_waits(batcher):
    put_bytes(batcher, "a", "guid", 900_000)
    put_bytes(batcher, "b", "guid", 200_000)
    assert batcher.waiting_records == 1
    assert sent(batcher) == [{"a"}, {"b"}]


def test_the_commas_between_records_are_counted(batcher):
    for key in range(300):
        put_bytes(batcher, key, key, 3_333)
    batcher.close_all()
    for batch in batcher.closed:
        assert len(b",".join(record.body for record in batch.records)) < MAX_RECORD_BYTES
    assert [len(batch.records) for batch in batcher.closed] == [299, 1]
