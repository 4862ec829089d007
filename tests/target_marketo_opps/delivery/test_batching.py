"""The batcher by itself, with a ledger that only listens."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketo_opps import MAX_BODY_BYTES, MarketoObject, encode_record
from marketo_opps.wire import encode_batch
from target_marketo_opps.delivery import batching
from target_marketo_opps.delivery.batching import Batcher, Operation, OutboundRecord
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES
from target_marketo_opps.state.ledger import Ledger


@pytest.fixture
def batcher():
    return Batcher(Mock(spec=Ledger))


def outbound(
    batcher, key, *, body=b"{}", obj="opportunities", operation="sync", ordering_keys=None
):
    target = batcher.target(MarketoObject(obj), Operation(operation), ("k",))
    return OutboundRecord("s", target, key, ordering_keys or (key,), body, "s", {})


def add(batcher, *keys, **kwargs):
    records = [outbound(batcher, key, **kwargs) for key in keys]
    for one in records:
        batcher.add(one)
    return records


def closed_keys(batcher):
    return [[one.key for one in batch.records] for batch in batcher.closed]


def test_a_batch_is_closed_at_300_records(batcher):
    add(batcher, *range(601))
    assert [len(batch.records) for batch in batcher.closed] == [300, 300]
    assert [len(batch.records) for batch in batcher.open_batches()] == [1]


@pytest.mark.parametrize("size_bytes", [30_000, 333_000, 999_000])
def test_no_body_reaches_one_megabyte(batcher, size_bytes):
    add(batcher, *range(100), body=encode_record({"a": "x" * (size_bytes - 8)}))
    batcher.close_all()
    for batch in batcher.closed:
        bodies = [one.body for one in batch.records]
        assert (
            len(encode_batch(bodies, action="createOrUpdate", dedupeBy="dedupeFields")) < 1_000_000
        )
    assert len(batcher.closed) == -(-100 // ((MAX_BODY_BYTES - 1) // (size_bytes + 1)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(10, 30_000), min_size=200, max_size=900))
def test_long_texts_take_at_most_one_call_more_than_their_bytes_need(sizes):
    batcher = Batcher(Mock(spec=Ledger))
    for key, size in enumerate(sizes):
        batcher.add(outbound(batcher, key, body=b"x" * size))
    batcher.close_all()
    by_bytes = -(-sum(size + 1 for size in sizes) // MAX_RECORD_BYTES)
    by_records = -(-len(sizes) // 300)
    assert len(batcher.closed) <= max(by_bytes, by_records) + 1


def test_a_batch_with_hardly_any_room_left_is_sent_at_once(batcher):
    add(batcher, "a", body=b"x" * (MAX_RECORD_BYTES - 1_000))
    assert closed_keys(batcher) == [["a"]]


def test_two_records_of_one_key_never_share_a_call(batcher):
    first, second = add(batcher, "a", "a")
    batcher.close_all()
    assert [batch.records for batch in batcher.closed] == [[first]]
    assert batcher.waiting_records == 1
    batcher.release(batcher.closed.popleft())
    batcher.close_all()
    assert [batch.records for batch in batcher.closed] == [[second]]


def test_a_key_in_flight_does_not_hold_up_other_keys(batcher):
    add(batcher, *range(300))
    add(batcher, 0, *range(300, 600))
    assert [len(batch.records) for batch in batcher.closed] == [300, 300]
    assert batcher.waiting_records == 1


def test_several_records_of_one_key_keep_their_order(batcher):
    records = add(batcher, *["a"] * 4)
    sent = []
    for _ in records:
        batcher.close_all()
        batch = batcher.closed.popleft()
        sent += batch.records
        batcher.release(batch)
    assert sent == records
    assert batcher.waiting_records == batcher.waiting_bytes == 0


def test_roles_of_one_opportunity_share_a_call(batcher):
    for role in ("buyer", "user"):
        batcher.add(
            outbound(batcher, ("a", 1, role), obj="opportunity_roles", ordering_keys=("a",)),
        )
    batcher.close_all()
    assert len(batcher.closed) == 1


def test_a_role_waits_for_its_opportunity(batcher):
    add(batcher, "a", "b")
    batcher.add(outbound(batcher, ("a", 1), obj="opportunity_roles", ordering_keys=("a",)))
    batcher.add(outbound(batcher, ("c", 1), obj="opportunity_roles", ordering_keys=("c",)))
    batcher.close_all()
    assert closed_keys(batcher) == [["a", "b"], [("c", 1)]]
    batcher.release(batcher.closed[0])
    batcher.close_all()
    assert closed_keys(batcher)[-1] == [("a", 1)]


def test_a_delete_and_an_upsert_of_one_key_keep_their_order(batcher):
    add(batcher, "a")
    add(batcher, "a", operation="delete")
    add(batcher, "a")
    order = []
    for _ in range(3):
        batcher.close_all()
        batch = batcher.closed.popleft()
        order.append(batch.target.operation)
        batcher.release(batch)
    assert order == [Operation.SYNC, Operation.DELETE, Operation.SYNC]


def test_a_record_with_two_ordering_keys_waits_for_both(batcher):
    add(batcher, "a", "b")
    first = next(iter(batcher.open_batches()))
    batcher.close_all()
    batcher.closed.clear()
    batcher.add(outbound(batcher, "g", operation="delete", ordering_keys=("c",)))
    batcher.add(outbound(batcher, "x", ordering_keys=("a", "c")))
    batcher.release(first)
    assert batcher.waiting_records == 1
    batcher.close_all()
    batcher.release(batcher.closed.popleft())
    assert batcher.waiting_records == 0


def test_repeated_keys_fill_successive_batches_instead_of_going_one_by_one(batcher):
    for _ in range(10):
        add(batcher, *range(100))
    sizes = []
    while batcher.waiting_records or list(batcher.open_batches()):
        batcher.close_all()
        while batcher.closed:
            batch = batcher.closed.popleft()
            sizes.append(len(batch.records))
            batcher.release(batch)
    assert sizes == [100] * 10


def test_the_fullest_batch_is_the_one_that_is_sent_short(batcher):
    add(batcher, *range(3))
    add(batcher, *range(10, 12), operation="delete")
    batcher.close_fullest()
    assert [len(batch.records) for batch in batcher.closed] == [3]
    assert batcher.short_batches == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from(["opportunities", "opportunity_roles"]),
            st.sampled_from(["sync", "delete"]),
            st.integers(0, 2),
        ),
        max_size=60,
    ),
    st.randoms(),
    st.integers(1, 4),
)
def test_no_record_overtakes_another_of_its_ordering_key(steps, random, most_records):
    batcher, in_flight, sent, arrived = Batcher(Ledger()), [], [], []

    def work():
        while batcher.closed:
            in_flight.append(batcher.closed.popleft())
            holders = [
                {lock for one in batch.records for lock in one.ordering_keys} for batch in in_flight
            ]
            assert sum(map(len, holders)) == len(set().union(*holders))
        if in_flight and random.random() < 0.6:
            batch = in_flight.pop(random.randrange(len(in_flight)))
            sent.extend(batch.records)
            batcher.release(batch)

    original = batching.MAX_BATCH_RECORDS
    batching.MAX_BATCH_RECORDS = most_records
    try:
        for lock, obj, operation, part in steps:
            key = (lock, part) if obj == "opportunity_roles" else (lock,)
            one = outbound(batcher, key, obj=obj, operation=operation, ordering_keys=(lock,))
            arrived.append(one)
            batcher.add(one)
            work()
        while (
            in_flight or batcher.waiting_records or list(batcher.open_batches()) or batcher.closed
        ):
            batcher.close_all()
            work()
    finally:
        batching.MAX_BATCH_RECORDS = original
    assert len(sent) == len(arrived)
    for lock in "abcde":
        assert [one for one in sent if one.ordering_keys == (lock,)] == [
            one for one in arrived if one.ordering_keys == (lock,)
        ]


# Records in line


def sent(batcher):
    """All keys in the order in which they would reach Marketo, settling one batch at a time."""
    keys = []
    while True:
        batcher.close_all()
        if not batcher.closed:
            return keys
        batch = batcher.closed.popleft()
        keys.append({record.key for record in batch.records})
        batcher.release(batch)


def test_a_record_in_two_lines_goes_only_when_it_heads_both(batcher):
    add(batcher, "first", ordering_keys=("guid 1",))
    batcher.close_all()
    first = batcher.closed.popleft()
    add(batcher, "other", ordering_keys=("guid 2",))
    batcher.close_all()
    other = batcher.closed.popleft()
    # The second stands in both lines; the third behind it in one, and first in a line of its own.
    add(batcher, "second", ordering_keys=("guid 1", "opportunity"))
    add(batcher, "third", ordering_keys=("opportunity", "guid 2"))
    batcher.release(other)
    assert batcher.waiting_records == 2
    batcher.release(first)
    assert sent(batcher) == [{"second", "third"}]
    assert batcher.waiting_records == batcher.waiting_bytes == 0


def test_short_batches_are_counted(batcher):
    for key in "ab":
        add(batcher, key)
        (batch,) = batcher.open_batches()
        batcher.close(batch)
    assert batcher.short_batches == 2


def test_a_record_joins_the_batch_with_its_ordering_key(batcher):
    add(batcher, "a", ordering_keys=("guid 1",), body=b"x" * 900_000)
    add(batcher, "b", ordering_keys=("guid 2",), body=b"x" * 200_000)
    add(batcher, "c", ordering_keys=("guid 2",), body=b"x" * 10)
    assert [len(batch.records) for batch in batcher.open_batches()] == [1, 2]


def test_a_record_waits_if_its_keys_batch_has_no_room(batcher):
    add(batcher, "a", ordering_keys=("guid",), body=b"x" * 900_000)
    add(batcher, "b", ordering_keys=("guid",), body=b"x" * 200_000)
    assert batcher.waiting_records == 1
    assert sent(batcher) == [{"a"}, {"b"}]


def test_the_commas_between_records_are_counted(batcher):
    add(batcher, *range(300), body=b"x" * 3_333)
    batcher.close_all()
    for batch in batcher.closed:
        assert len(b",".join(record.body for record in batch.records)) < MAX_RECORD_BYTES
    assert [len(batch.records) for batch in batcher.closed] == [299, 1]
