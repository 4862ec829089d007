"""Test which records are merged while they wait, and which are not."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from marketo_opps import MarketoObject, decode_record, encode_record
from target_marketo_opps.delivery.batches import Operation, OutboundRecord
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES
from target_marketo_opps.state.ledger import Ledger


@pytest.fixture
def waiting():
    return WaitingRecords(Mock(spec=Ledger), merges=True)


def add(waiting, key, *, obj="opportunities", operation="sync", order=None, **fields):
    target = waiting.batches.target(MarketoObject(obj), Operation(operation), ("k",))
    body = encode_record({"k": key, **fields})
    one = OutboundRecord("s", target, key, order or (key,), body, "s", b"{}")
    waiting.add(one)
    return one


def role(waiting, key, **fields):
    return add(waiting, f"{key} role", obj="opportunity_roles", order=(key,), **fields)


def sent(waiting):
    """Send all batches; return the bodies in the order of sending, as one list per call."""
    calls = []
    while True:
        waiting.batches.close_all()
        if not waiting.closed:
            assert waiting.held_bytes == 0
            return calls
        batch = waiting.closed.popleft()
        calls.append([decode_record(record.sent_body) for record in batch.records])
        waiting.release(batch)


def test_versions_in_an_open_batch_are_merged(waiting):
    add(waiting, "a", x=1, y=1)
    add(waiting, "b")
    add(waiting, "a", x=2)
    assert sent(waiting) == [[{"k": "a", "x": 2, "y": 1}, {"k": "b"}]]


def test_versions_that_wait_for_a_call_are_merged(waiting):
    add(waiting, "a", x=1)
    waiting.batches.close_all()
    for number in range(5):
        add(waiting, "a", y=number)
    assert sent(waiting) == [[{"k": "a", "x": 1}], [{"k": "a", "y": 4}]]


def test_a_version_is_merged_past_records_of_other_objects(waiting):
    add(waiting, "a", x=1)
    role(waiting, "a", z=1)
    add(waiting, "a", x=2)
    role(waiting, "a", z=2)
    assert sent(waiting) == [[{"k": "a", "x": 2}], [{"k": "a role", "z": 2}]]


@pytest.mark.parametrize("deleted", ["a", "a role"])
def test_a_version_is_not_merged_past_a_delete_of_its_opportunity(waiting, deleted):
    add(waiting, "a", x=1)
    obj = "opportunity_roles" if deleted == "a role" else "opportunities"
    add(waiting, deleted, obj=obj, operation="delete", order=("a",))
    add(waiting, "a", x=2)
    add(waiting, "a", x=3)
    assert sent(waiting) == [[{"k": "a", "x": 1}], [{"k": deleted}], [{"k": "a", "x": 3}]]


def test_version_is_not_merged_past_a_queued_delete(waiting):
    add(waiting, "a", x=1)
    waiting.batches.close_all()
    add(waiting, "a", x=2)
    add(waiting, "a", operation="delete")
    add(waiting, "a", x=3)
    assert sent(waiting) == [
        [{"k": "a", "x": 1}],
        [{"k": "a", "x": 2}],
        [{"k": "a"}],
        [{"k": "a", "x": 3}],
    ]


def test_versions_are_merged_again_after_a_delete(waiting):
    add(waiting, "a", operation="delete")
    waiting.batches.close_all()
    add(waiting, "a", x=1)
    waiting.release(waiting.closed.popleft())
    add(waiting, "a", x=2)
    assert sent(waiting) == [[{"k": "a", "x": 2}]]


def test_version_is_not_merged_past_a_delete_of_one_key(waiting):
    add(waiting, "g", order=("g", "a"), x=1)
    waiting.batches.close_all()
    add(waiting, "g", order=("g", "a"), x=2)
    add(waiting, "h", order=("a",), operation="delete")
    add(waiting, "g", order=("g", "a"), x=3)
    assert [call[0] for call in sent(waiting)] == [
        {"k": "g", "x": 1},
        {"k": "g", "x": 2},
        {"k": "h"},
        {"k": "g", "x": 3},
    ]


def test_version_with_an_additional_ordering_key_waits(waiting):
    add(waiting, "b", order=("b", "a"), operation="delete")
    waiting.batches.close_all()
    add(waiting, "g", order=("g",), x=1)
    add(waiting, "g", order=("g", "a"), x=2)
    assert sent(waiting) == [[{"k": "b"}], [{"k": "g", "x": 1}], [{"k": "g", "x": 2}]]


def settle_next(waiting):
    waiting.batches.close_all()
    waiting.release(waiting.closed.popleft())


def test_a_version_is_merged_once_the_delete_before_it_is_sent(waiting):
    add(waiting, "a", x=0)
    waiting.batches.close_all()
    add(waiting, "a", operation="delete")
    add(waiting, "a", x=1)
    role(waiting, "a", z=1)
    settle_next(waiting)
    settle_next(waiting)
    add(waiting, "a", x=2)
    assert sent(waiting) == [[{"k": "a", "x": 2}], [{"k": "a role", "z": 1}]]


def test_version_is_not_merged_past_the_second_of_two_deletes(waiting):
    add(waiting, "a", x=0)
    waiting.batches.close_all()
    add(waiting, "a", operation="delete")
    add(waiting, "a", x=1)
    add(waiting, "a", operation="delete")
    settle_next(waiting)
    settle_next(waiting)
    add(waiting, "a", x=2)
    assert sent(waiting) == [[{"k": "a", "x": 1}], [{"k": "a"}], [{"k": "a", "x": 2}]]


def test_version_is_not_merged_into_a_record_in_flight(waiting):
    add(waiting, "a", x=0)
    waiting.batches.close_all()
    add(waiting, "a", x=1)
    role(waiting, "a", z=1)
    settle_next(waiting)
    waiting.batches.close_all()
    add(waiting, "a", x=2)
    assert sent(waiting) == [
        [{"k": "a", "x": 1}],
        [{"k": "a role", "z": 1}],
        [{"k": "a", "x": 2}],
    ]


def test_version_is_compared_with_a_queue_of_one_of_its_keys(waiting):
    add(waiting, "b", order=("b", "a"), operation="delete")
    waiting.batches.close_all()
    add(waiting, "c", order=("a",))
    add(waiting, "g", order=("g",), x=1)
    add(waiting, "g", order=("g", "a"), x=2)
    assert sent(waiting) == [
        [{"k": "b"}],
        [{"k": "g", "x": 1}],
        [{"k": "c"}],
        [{"k": "g", "x": 2}],
    ]


def test_version_is_not_merged_past_a_queued_one_of_other_keys():
    # The order in which the queues are compared is that of a set, and differs from try to try.
    for _ in range(20):
        waiting = WaitingRecords(Mock(spec=Ledger), merges=True)
        add(waiting, "g", order=("g", "a"), n=0, x="x" * 600_000)
        add(waiting, "g", order=("g",), n=1, y="y" * 600_000)
        add(waiting, "g", order=("g", "a"), n=2)
        assert [call[0]["n"] for call in sent(waiting)] == [0, 1, 2]


def test_deletes_are_not_merged(waiting):
    add(waiting, "a", operation="delete")
    add(waiting, "a", operation="delete")
    assert sent(waiting) == [[{"k": "a"}], [{"k": "a"}]]


def test_without_merging_each_version_is_sent(waiting):
    waiting = WaitingRecords(Mock(spec=Ledger))
    add(waiting, "a", x=1)
    add(waiting, "a", x=2)
    assert sent(waiting) == [[{"k": "a", "x": 1}], [{"k": "a", "x": 2}]]


def test_a_merged_record_stays_within_the_size_of_a_call(waiting):
    add(waiting, "b", x="x" * 500_000)
    add(waiting, "a", x="x" * 300_000)
    add(waiting, "a", y="y" * 300_000)
    add(waiting, "a", z="z" * 10)
    sizes = [sum(len(encode_record(body)) for body in call) for call in sent(waiting)]
    assert len(sizes) == 2
    assert max(sizes) < 1_000_000


@pytest.mark.parametrize(("excess_bytes", "count"), [(-1, 1), (0, 2)])
def test_versions_merged_in_a_queue_stay_within_a_call(waiting, excess_bytes, count):
    add(waiting, "a")
    waiting.batches.close_all()
    first = add(waiting, "a", x="x" * 400_000)
    rest = MAX_RECORD_BYTES + excess_bytes - len(first.body) - len(',"y":""')
    add(waiting, "a", y="y" * rest)
    assert len(sent(waiting)) == 1 + count


def test_versions_merged_in_a_batch_stay_within_a_call(waiting):
    first = add(waiting, "a", x="x" * 400_000)
    add(waiting, "a", y="y" * (MAX_RECORD_BYTES - len(first.body) - len(',"y":""')))
    assert len(sent(waiting)) == 2


def test_the_room_in_a_batch_is_counted_after_merging(waiting):
    add(waiting, "a", x="x" * 300_000)
    add(waiting, "a", y="y" * 300_000)
    add(waiting, "b", x="x" * 300_000)
    add(waiting, "c", x="x" * 300_000)
    assert [[body["k"] for body in call] for call in sent(waiting)] == [["a", "b"], ["c"]]


def test_a_batch_that_merging_fills_is_closed(waiting):
    add(waiting, "a", x="x")
    add(waiting, "a", y="y" * 998_500)
    assert len(waiting.closed) == 1


def test_versions_are_held_until_they_are_settled(waiting):
    first = add(waiting, "a", x="x" * 1_000)
    for _ in range(99):
        add(waiting, "a", x="x" * 1_000)
    assert waiting.held_bytes == 100 * first.own_bytes
    assert len(sent(waiting)) == 1
