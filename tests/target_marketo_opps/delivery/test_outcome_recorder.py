"""Test that outcomes are counted, rejects are kept, and too many rejects end the run."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest

from marketo_opps import CallCounts, MarketoObject, Reason
from target_marketo_opps.delivery.batches import Batch, Operation, OutboundRecord
from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
from target_marketo_opps.delivery.outcomes import CREATED, UPDATED, BatchResult, Outcome
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError
from tests.target_marketo_opps.delivery.bench import BAD, BODY, REFUSED, SOURCE


@pytest.mark.parametrize("most", [-1, 1])
def test_rejects_within_the_limit_pass(make_bench, most):
    bench = make_bench(max_rejects=most)
    bench.rejects.reject("s", "k", BAD)
    assert bench.counters.rejected == 1


def test_exceeded_max_rejects_ends_the_run(make_bench):
    bench = make_bench(max_rejects=1)
    bench.rejects.reject("s", "k", BAD)
    with pytest.raises(RejectLimitError, match=r"Too many rejected records: 2.*1003 Bad"):
        bench.rejects.reject("s", "k", BAD)


@pytest.mark.parametrize("rejects", [None, Mock()], ids=["no file", "file"])
def test_max_rejects_error_names_rejects_path_if_it_is_not_set(make_bench, rejects):
    bench = make_bench(rejects=rejects)
    with pytest.raises(RejectLimitError) as told:
        bench.rejects.reject("s", "k", BAD)
    assert ("set rejects_path" in str(told.value)) == (rejects is None)


def test_every_outcome_of_a_batch_is_counted(make_bench):
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


def deliver_rejected(bench, *keys):
    """Record a batch with some keys in which every record is rejected."""
    bench.take(*keys)
    bench.send_open()
    bench.answer(-1, *[REFUSED] * len(keys))
    bench.dispatcher.before_read(None)


def test_a_reject_is_written_and_logged_by_its_key(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1)
    bench.rejects.reject("s", "K 7", BAD)
    rejects.write.assert_called_once_with(BAD)
    assert list(bench.counters.causes.lines()) == ["1 rejected with 1003 (Bad): K 7"]


def test_record_rejected_by_marketo_is_logged_by_the_sent_key(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1, at_once=False)
    deliver_rejected(bench, "a")
    reject = Reject("s", MarketoObject.OPPORTUNITIES, {}, (Reason("1003", "Bad"),), "r#7")
    rejects.write.assert_called_once_with(replace(reject, key={"k": 1}))
    assert list(bench.counters.causes.lines()) == ["1 rejected with 1003 (Bad): 1"]


def test_all_rejects_of_a_batch_are_kept_before_the_run_ends(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=1, at_once=False)
    with pytest.raises(RejectLimitError, match=r"Too many rejected records: 2 "):
        deliver_rejected(bench, "a", "b", "c")
    assert rejects.write.call_count == bench.counters.rejected == 3
    assert bench.dispatcher.has_failed


def test_reject_without_reason_or_request_id_ends_the_run(make_bench):
    bench = make_bench()
    with pytest.raises(RejectLimitError, match=r"last reason: no reason given\. C"):
        bench.rejects.reject("s", "k", Reject("s", MarketoObject.OPPORTUNITIES, {}, ()))


def test_the_request_id_of_the_last_reject_is_in_the_error(make_bench):
    bench = make_bench(at_once=False)
    with pytest.raises(RejectLimitError, match=r"1003 Bad \(requestId r#7\)\. C"):
        deliver_rejected(bench, "k")


def test_reject_has_the_stream_name_of_the_input(make_bench):
    rejects = Mock()
    bench = make_bench(rejects=rejects, max_rejects=-1, at_once=False)
    target = bench.waiting.batches.target(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("a", "b"))
    body, source = b'{"a":1,"b":"x"}', b'{"record":{"z":1}}'
    bench.dispatcher.take(OutboundRecord("s", target, "k", ("k",), body, "arrived", source))
    bench.send_open()
    bench.answer(0, REFUSED)
    bench.dispatcher.before_read(None)
    reject = Reject("arrived", MarketoObject.OPPORTUNITIES, {"z": 1}, REFUSED.reasons, "r#7")
    rejects.write.assert_called_once_with(replace(reject, key={"a": 1, "b": "x"}))
    assert list(bench.counters.causes.lines()) == ["1 rejected with 1003 (Bad): 1/x"]


def settled_batch(bench, *outcomes, versions=1):
    """Return the result of a batch of opportunities, each merged from some versions."""
    target = bench.waiting.batches.target(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("k",))
    batch = Batch(target)
    for number in range(len(outcomes)):
        first, *others = [
            OutboundRecord(f"s{version}", target, number, (number,), BODY, "s", SOURCE)
            for version in range(versions)
        ]
        assert all(first.merge(each, most_bytes=100) for each in others)
        batch.add(first)
    result = BatchResult(batch)
    result.outcomes[:] = outcomes
    return result


def test_known_outcomes_are_counted_behind_an_unknown_one(make_bench):
    bench, settled = make_bench(), Mock()
    bench.counters.register_stream("s0")
    recorder = OutcomeRecorder(bench.counters, bench.rejects, settled)
    assert recorder.record(settled_batch(bench, None, CREATED, REFUSED)) is not None
    counts = bench.counters.by_stream()["s0"]
    assert (counts["created"], counts["rejected"]) == (1, 1)
    (call,) = settled.take_accepted.call_args_list
    assert (call.args[0].key, call.args[1]) == (1, CREATED)


def test_merged_versions_are_counted_in_their_own_streams(make_bench):
    bench = make_bench()
    bench.counters.register_stream("s0")
    bench.counters.register_stream("s1")
    result = settled_batch(bench, CREATED, UPDATED, versions=2)
    result.parked.add(1)
    OutcomeRecorder(bench.counters, bench.rejects).record(result)
    counts = bench.counters.by_stream()
    assert [counts[stream]["merged"] for stream in ("s0", "s1")] == [0, 1]
    assert counts["s1"][Outcome.UPDATED.identifier] == 1
