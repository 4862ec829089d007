"""Test which records are merged while they wait, and which are not."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from marketo_opps import MarketoObject, decode_record, encode_record
from target_marketo_opps.delivery.batches import Operation, OutboundRecord
from target_marketo_opps.delivery.waiting import WaitingRecords
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
