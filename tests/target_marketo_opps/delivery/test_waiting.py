"""Test the order in which waiting records are put into batches."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketo_opps import MAX_BODY_BYTES, MarketoObject, decode_record, encode_record
from marketo_opps.wire import encode_batch
from target_marketo_opps.delivery.batches import Operation, OutboundRecord, WantedLead
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES
from target_marketo_opps.state.ledger import Ledger


@pytest.fixture
def waiting():
    return WaitingRecords(Mock(spec=Ledger))


def outbound(
    waiting, key, *, body=b"{}", obj="opportunities", operation="sync", ordering_keys=None
):
    target = waiting.batches.target(MarketoObject(obj), Operation(operation), ("k",))
    return OutboundRecord("s", target, key, ordering_keys or (key,), body, "s", b"{}")


def add(waiting, *keys, **kwargs):
    records = [outbound(waiting, key, **kwargs) for key in keys]
    for one in records:
        waiting.add(one)
    return records


def closed_keys(waiting):
    return [[one.key for one in batch.records] for batch in waiting.closed]


def test_a_batch_is_closed_at_300_records(waiting):
    add(waiting, *range(601))
    assert [len(batch.records) for batch in waiting.closed] == [300, 300]
    assert [len(batch.records) for batch in waiting.batches] == [1]


@pytest.mark.parametrize("size_bytes", [30_000, 333_000, 999_000])
def test_no_body_reaches_one_megabyte(waiting, size_bytes):
    add(waiting, *range(100), body=encode_record({"a": "x" * (size_bytes - 8)}))
    waiting.batches.close_all()
    for batch in waiting.closed:
        bodies = [one.body for one in batch.records]
        assert (
            len(encode_batch(bodies, action="createOrUpdate", dedupeBy="dedupeFields")) < 1_000_000
        )
    assert len(waiting.closed) == -(-100 // ((MAX_BODY_BYTES - 1) // (size_bytes + 1)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(10, 30_000), min_size=200, max_size=900))
def test_long_texts_take_at_most_one_additional_call(sizes):
    waiting = WaitingRecords(Mock(spec=Ledger))
    for key, size in enumerate(sizes):
        waiting.add(outbound(waiting, key, body=b"x" * size))
    waiting.batches.close_all()
    by_bytes = -(-sum(size + 1 for size in sizes) // MAX_RECORD_BYTES)
    by_records = -(-len(sizes) // 300)
    assert len(waiting.closed) <= max(by_bytes, by_records) + 1


def test_a_batch_with_hardly_any_room_left_is_sent_at_once(waiting):
    add(waiting, "a", body=b"x" * (MAX_RECORD_BYTES - 1_000))
    assert closed_keys(waiting) == [["a"]]


def test_two_records_of_one_key_never_share_a_call(waiting):
    first, second = add(waiting, "a", "a")
    waiting.batches.close_all()
    assert [batch.records for batch in waiting.closed] == [[first]]
    waiting.release(waiting.closed.popleft())
    waiting.batches.close_all()
    assert [batch.records for batch in waiting.closed] == [[second]]


def test_a_key_in_flight_does_not_hold_up_other_keys(waiting):
    add(waiting, *range(300))
    add(waiting, 0, *range(300, 600))
    assert [len(batch.records) for batch in waiting.closed] == [300, 300]
    assert not list(waiting.batches)


def test_several_records_of_one_key_keep_their_order(waiting):
    records = add(waiting, *["a"] * 4)
    sent = []
    for _ in records:
        waiting.batches.close_all()
        batch = waiting.closed.popleft()
        sent += batch.records
        waiting.release(batch)
    assert sent == records
    assert waiting.held_bytes == 0


def test_roles_of_one_opportunity_share_a_call(waiting):
    for role in ("buyer", "user"):
        waiting.add(
            outbound(waiting, ("a", 1, role), obj="opportunity_roles", ordering_keys=("a",)),
        )
    waiting.batches.close_all()
    assert len(waiting.closed) == 1


def test_a_role_waits_for_its_opportunity(waiting):
    add(waiting, "a", "b")
    waiting.add(outbound(waiting, ("a", 1), obj="opportunity_roles", ordering_keys=("a",)))
    waiting.add(outbound(waiting, ("c", 1), obj="opportunity_roles", ordering_keys=("c",)))
    waiting.batches.close_all()
    assert closed_keys(waiting) == [["a", "b"], [("c", 1)]]
    waiting.release(waiting.closed[0])
    waiting.batches.close_all()
    assert closed_keys(waiting)[-1] == [("a", 1)]


def test_a_delete_and_an_upsert_of_one_key_keep_their_order(waiting):
    add(waiting, "a")
    add(waiting, "a", operation="delete")
    add(waiting, "a")
    order = []
    for _ in range(3):
        waiting.batches.close_all()
        batch = waiting.closed.popleft()
        order.append(batch.target.operation)
        waiting.release(batch)
    assert order == [Operation.SYNC, Operation.DELETE, Operation.SYNC]


def test_a_record_with_two_ordering_keys_waits_for_both(waiting):
    add(waiting, "a", "b")
    first = next(iter(waiting.batches))
    waiting.batches.close_all()
    waiting.closed.clear()
    waiting.add(outbound(waiting, "g", operation="delete", ordering_keys=("c",)))
    waiting.add(outbound(waiting, "x", ordering_keys=("a", "c")))
    waiting.release(first)
    assert [batch.target.operation for batch in waiting.batches] == [Operation.DELETE]
    waiting.batches.close_all()
    waiting.release(waiting.closed.popleft())
    waiting.batches.close_all()
    assert closed_keys(waiting) == [["x"]]


def test_repeated_keys_fill_successive_batches(waiting):
    for _ in range(10):
        add(waiting, *range(100))
    sizes = []
    while waiting.held_bytes:
        waiting.batches.close_all()
        while waiting.closed:
            batch = waiting.closed.popleft()
            sizes.append(len(batch.records))
            waiting.release(batch)
    assert sizes == [100] * 10


def test_fullest_batch_is_closed_short(waiting):
    add(waiting, *range(3))
    add(waiting, *range(10, 12), operation="delete")
    waiting.batches.close_fullest()
    assert [len(batch.records) for batch in waiting.closed] == [3]
    assert waiting.batches.short_batches == 1


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
    waiting = WaitingRecords(Ledger(), max_batch_records=most_records)
    in_flight, sent, arrived = [], [], []

    def work():
        while waiting.closed:
            in_flight.append(waiting.closed.popleft())
            holders = [
                {lock for one in batch.records for lock in one.ordering_keys} for batch in in_flight
            ]
            assert sum(map(len, holders)) == len(set().union(*holders))
        if in_flight and random.random() < 0.6:
            batch = in_flight.pop(random.randrange(len(in_flight)))
            sent.extend(batch.records)
            waiting.release(batch)

    for lock, obj, operation, part in steps:
        key = (lock, part) if obj == "opportunity_roles" else (lock,)
        one = outbound(waiting, key, obj=obj, operation=operation, ordering_keys=(lock,))
        arrived.append(one)
        waiting.add(one)
        work()
    while in_flight or waiting.held_bytes:
        waiting.batches.close_all()
        work()
    assert len(sent) == len(arrived)
    for lock in "abcde":
        assert [one for one in sent if one.ordering_keys == (lock,)] == [
            one for one in arrived if one.ordering_keys == (lock,)
        ]


# Records in queues


def sent(waiting):
    """Send and settle all batches; return the keys in the order of sending."""
    keys = []
    while True:
        waiting.batches.close_all()
        if not waiting.closed:
            return keys
        batch = waiting.closed.popleft()
        keys.append({record.key for record in batch.records})
        waiting.release(batch)


def test_record_in_two_queues_is_sent_when_first_in_both(waiting):
    add(waiting, "first", ordering_keys=("guid 1",))
    waiting.batches.close_all()
    first = waiting.closed.popleft()
    add(waiting, "other", ordering_keys=("guid 2",))
    waiting.batches.close_all()
    other = waiting.closed.popleft()
    # The second is in both queues; the third is behind it in one, and first in its own queue.
    add(waiting, "second", ordering_keys=("guid 1", "opportunity"))
    add(waiting, "third", ordering_keys=("opportunity", "guid 2"))
    waiting.release(other)
    assert not list(waiting.batches)
    waiting.release(first)
    assert sent(waiting) == [{"second", "third"}]
    assert waiting.held_bytes == 0


def test_short_batches_are_counted(waiting):
    for key in "ab":
        add(waiting, key)
        (batch,) = waiting.batches
        waiting.batches.close_short(batch)
    assert waiting.batches.short_batches == 2


def test_a_record_joins_the_batch_with_its_ordering_key(waiting):
    add(waiting, "a", ordering_keys=("guid 1",), body=b"x" * 900_000)
    add(waiting, "b", ordering_keys=("guid 2",), body=b"x" * 200_000)
    add(waiting, "c", ordering_keys=("guid 2",), body=b"x" * 10)
    assert [len(batch.records) for batch in waiting.batches] == [1, 2]


def test_a_record_waits_if_its_keys_batch_has_no_room(waiting):
    add(waiting, "a", ordering_keys=("guid",), body=b"x" * 900_000)
    add(waiting, "b", ordering_keys=("guid",), body=b"x" * 200_000)
    assert sent(waiting) == [{"a"}, {"b"}]


def test_the_commas_between_records_are_counted(waiting):
    add(waiting, *range(300), body=b"x" * 3_333)
    waiting.batches.close_all()
    for batch in waiting.closed:
        assert len(b",".join(record.body for record in batch.records)) < MAX_RECORD_BYTES
    assert [len(batch.records) for batch in waiting.closed] == [299, 1]


@pytest.mark.parametrize(("excess_bytes", "calls"), [(-1, 1), (0, 2)])
def test_records_share_a_call_up_to_its_size(waiting, excess_bytes, calls):
    first = b"x" * 500_000
    add(waiting, "a", body=first)
    add(waiting, "b", body=b"x" * (MAX_RECORD_BYTES + excess_bytes - len(first) - len(",")))
    waiting.batches.close_all()
    assert len(waiting.closed) == calls


# Roles that wait for their lead ID


ROLE_KEYS = ("externalOpportunityId", "leadId", "role")


def leadless(waiting, opportunity, *, value=1, operation="sync", role="r", line=1):
    """Queue a role without a lead ID, and return it."""
    target = waiting.batches.target(
        MarketoObject.OPPORTUNITY_ROLES, Operation(operation), ROLE_KEYS
    )
    body = encode_record({"externalOpportunityId": opportunity, "role": role, "value": value})
    key = (opportunity, role)
    one = OutboundRecord("s", target, key, (opportunity,), body, "s", b"{}")
    one.wanted = WantedLead("a@x", line)
    waiting.await_lead(one)
    return one


def led(waiting, opportunity, lead, *, value=1, role="r"):
    """Add a role with a lead ID, and return it."""
    target = waiting.batches.target(MarketoObject.OPPORTUNITY_ROLES, Operation.SYNC, ROLE_KEYS)
    names = {"externalOpportunityId": opportunity, "leadId": lead, "role": role, "value": value}
    key = (opportunity, str(lead), role)
    one = OutboundRecord("s", target, key, (opportunity,), encode_record(names), "s", b"{}")
    waiting.add(one)
    return one


def place(waiting, record, lead):
    waiting.place(record, record.wanted, lead)


def sent_values(waiting):
    """Return the value that each open or closed batch would write, in the order of batches."""
    waiting.batches.close_all()
    return [
        [decode_record(one.sent_body)["value"] for one in batch.records] for batch in waiting.closed
    ]


@pytest.fixture
def merging():
    return WaitingRecords(Mock(spec=Ledger), merges=True)


def test_found_lead_id_is_added_to_key_and_body(waiting):
    one = leadless(waiting, "a")
    assert not list(waiting.batches)
    place(waiting, one, 7)
    assert one.key == ("a", "7", "r")
    assert decode_record(one.body)["leadId"] == 7
    assert [batch.records for batch in waiting.batches] == [[one]]
    assert waiting.held_bytes == one.held_bytes


def test_later_records_wait_behind_a_role_without_a_lead(waiting):
    one = leadless(waiting, "a")
    other = led(waiting, "a", 8)
    assert not list(waiting.batches)
    waiting.drop(one)
    assert [batch.records for batch in waiting.batches] == [[other]]
    assert waiting.held_bytes == other.held_bytes


def test_first_role_is_awaited_although_others_are_found(waiting):
    first, second = leadless(waiting, "a"), leadless(waiting, "a", role="q")
    place(waiting, second, 7)
    assert not list(waiting.batches)
    place(waiting, first, 7)
    assert [batch.records for batch in waiting.batches] == [[first, second]]


def test_version_is_not_merged_past_a_leadless_role_into_a_batch(merging):
    led(merging, "a", 7, value=1)
    between = leadless(merging, "a", value=2)
    led(merging, "a", 7, value=3)
    place(merging, between, 7)
    assert sent_values(merging) == [[3]]


def test_version_is_not_merged_past_a_leadless_role_in_a_queue(merging):
    # In flight, so that all later records are queued.
    merging.add(outbound(merging, "a", ordering_keys=("a",)))
    merging.batches.close_all()
    led(merging, "a", 7, value=1)
    between = leadless(merging, "a", value=2)
    led(merging, "a", 7, value=3)
    place(merging, between, 7)
    merging.release(merging.closed.popleft())
    assert sent_values(merging) == [[3]]


def test_versions_of_one_role_are_merged_once_their_lead_is_known(merging):
    versions = [leadless(merging, "a", value=value) for value in range(5)]
    for one in versions:
        place(merging, one, 7)
    assert sent_values(merging) == [[4]]
    assert merging.closed[0].records[0].all_versions == tuple(versions)


def test_opportunity_versions_are_merged_past_a_leadless_role(merging):
    body = encode_record({"k": 1, "value": 1})
    merging.add(outbound(merging, "a", body=body, ordering_keys=("a",)))
    leadless(merging, "a")
    merging.add(outbound(merging, "a", body=body, ordering_keys=("a",)))
    (batch,) = merging.batches
    assert len(batch.records[0].all_versions) == 2


def test_version_is_not_merged_past_the_second_leadless_role(merging):
    led(merging, "a", 7, value=1)
    first, second = leadless(merging, "a", role="q"), leadless(merging, "a", value=2)
    merging.drop(first)
    led(merging, "a", 7, value=3)
    place(merging, second, 7)
    assert sent_values(merging) == [[3]]


def test_version_is_merged_once_the_leadless_role_is_dropped(merging):
    led(merging, "a", 7, value=1)
    gone = leadless(merging, "a")
    merging.add(outbound(merging, "a", ordering_keys=("a",)))
    merging.drop(gone)
    led(merging, "a", 7, value=2)
    assert sent_values(merging) == [[2]]


def test_version_is_merged_past_an_opportunity_behind_its_role(merging):
    merging.add(outbound(merging, "a", ordering_keys=("a",)))
    merging.batches.close_all()
    led(merging, "a", 7, value=1)
    merging.add(outbound(merging, "a", ordering_keys=("a",)))
    merging.release(merging.closed.popleft())
    led(merging, "a", 7, value=2)
    assert sent_values(merging) == [[2]]


def test_state_waits_for_the_batch_of_a_version_merged_late():
    ledger = Ledger()
    merging = WaitingRecords(ledger, merges=True)
    led(merging, "a", 7)
    late = leadless(merging, "a")
    ledger.state("behind", now=0)
    place(merging, late, 7)
    (batch,) = merging.batches
    assert len(batch.records[0].all_versions) == 2
    assert list(ledger.due()) == []
    ledger.settle(batch)
    assert list(ledger.due()) == ["behind"]


def test_dropped_role_no_longer_holds_a_state():
    ledger = Ledger()
    waiting = WaitingRecords(ledger)
    first, second = leadless(waiting, "a"), leadless(waiting, "b")
    assert waiting.held_bytes == first.held_bytes + second.held_bytes
    ledger.state("behind", now=0)
    waiting.drop(first)
    assert list(ledger.due()) == []
    waiting.drop(second)
    assert list(ledger.due()) == ["behind"]


def test_a_role_without_a_lead_takes_more_memory(waiting):
    one = leadless(waiting, "a")
    with_lead = one.own_bytes
    one.wanted = None
    assert with_lead > one.own_bytes


def test_without_merging_versions_are_sent_one_by_one(waiting):
    first, second = leadless(waiting, "a"), leadless(waiting, "a")
    place(waiting, first, 7)
    place(waiting, second, 7)
    waiting.batches.close_all()
    assert [batch.records for batch in waiting.closed] == [[first]]


def test_a_delete_without_a_lead_is_a_barrier_too(merging):
    led(merging, "a", 7, value=1)
    gone = leadless(merging, "a", operation="delete")
    led(merging, "a", 7, value=2)
    place(merging, gone, 7)
    merging.batches.close_all()
    for expected in ([1], [1], [2]):
        batch = merging.closed.popleft()
        assert [decode_record(one.sent_body)["value"] for one in batch.records] == expected
        merging.release(batch)
        merging.batches.close_all()
