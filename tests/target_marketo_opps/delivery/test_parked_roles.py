"""Test which roles are parked, which are dismissed, and which STATEs wait for them."""

from __future__ import annotations

import pytest

from marketo_opps import MarketoObject, decode_record
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.open_batches import OpenBatches
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES
from tests.target_marketo_opps.delivery.parking_bench import KEYS, MISSING, ParkingBench

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES
SYNC, DELETE = Operation.SYNC, Operation.DELETE


@pytest.fixture
def bench():
    return ParkingBench()


@pytest.fixture
def merging():
    return ParkingBench(merges=True)


def keys(parked):
    return [each.record.key for each in parked]


@pytest.mark.parametrize(
    ("obj", "operation", "key_fields", "parks"),
    [
        (ROLES, SYNC, KEYS[ROLES], True),
        (ROLES, DELETE, KEYS[ROLES], False),
        (ROLES, SYNC, ("marketoGUID",), False),
        (OPPORTUNITIES, SYNC, KEYS[OPPORTUNITIES], False),
    ],
)
def test_only_upserts_of_roles_by_opportunity_are_parked(obj, operation, key_fields, parks):
    target = OpenBatches(merges=True).target(obj, operation, key_fields)
    assert target.parks_orphans is parks
    assert not target.has_accepted


def test_a_state_that_came_before_the_answer_waits_for_the_role(bench):
    bench.waiting.add(bench.role("a", 1))
    bench.ledger.state("behind", now=0)
    bench.park_sent()
    assert bench.due == []
    (role,) = bench.waiting.parked_roles.waiting.take_any()
    bench.waiting.parked_roles.unpark(role)
    assert bench.due == ["behind"]


def test_a_later_version_of_a_parked_role_is_parked_unsent(bench):
    bench.park(bench.role("a", 1, 0))
    bench.waiting.add(bench.role("a", 1, 1))
    bench.waiting.add(bench.role("a", 2))
    bench.send_all()
    assert bench.sent_keys == [("a", 2)]
    assert bench.waiting.held_bytes == 0
    parked = bench.waiting.parked_roles.waiting.take_any()
    assert [decode_record(role.record.body)["n"] for role in parked] == [0, 1]
    assert {(role.reasons, role.request_id) for role in parked} == {(MISSING.reasons, "r#1")}


def test_a_role_parked_unsent_holds_the_states_behind_it(bench):
    bench.park(bench.role("a", 1, 0))
    bench.ledger.state("first", now=0)
    bench.waiting.add(bench.role("a", 1, 1))
    bench.ledger.state("second", now=0)
    bench.waiting.add(bench.opportunity("a"))
    bench.send_one({"a"})
    for states in ([], ["first"], ["second"]):
        assert bench.due == states
        bench.send_one()
    assert bench.sent == [[("a",)], [("a", 1)], [("a", 1)]]


def test_a_queued_version_of_a_parked_role_is_parked_unsent(bench):
    bench.park(bench.role("a", 1, 0))
    bench.ledger.state("first", now=0)
    bench.waiting.add(bench.opportunity("a"))
    bench.waiting.batches.close_all()
    # A second version of the opportunity is queued behind the first, and the role behind it.
    second = bench.opportunity("a")
    bench.waiting.add(second)
    bench.waiting.add(bench.role("a", 1, 1))
    bench.ledger.state("second", now=0)
    bench.send_one()
    assert bench.waiting.held_bytes == second.held_bytes
    bench.send_one({"a"})
    for states in ([], ["first"], ["second"]):
        assert bench.due == states
        bench.send_one()
    assert bench.sent == [[("a",)], [("a",)], [("a", 1)], [("a", 1)]]
    assert bench.waiting.held_bytes == 0


def test_a_role_in_another_spelling_is_sent_though_one_is_parked(bench):
    bench.park(bench.role("d-2", 1))
    bench.waiting.add(bench.role("D-2", 1))
    bench.send_all()
    assert bench.sent_keys == [("d-2", 1)]
    assert len(bench.waiting.parked_roles.waiting) == 1


def test_roles_parked_in_two_spellings_keep_their_order(bench):
    bench.park(bench.role("d-2", 1, 0))
    bench.waiting.add(bench.role("D-2", 1, 1))
    bench.waiting.add(bench.role("d-2", 1, 2))
    bench.waiting.await_lead(leadless := bench.role("D-2", 2))
    bench.waiting.drop(leadless)
    assert len(bench.waiting.parked_roles.waiting) == 1
    bench.park_sent()
    parked = bench.waiting.parked_roles.waiting.take_any()
    assert [decode_record(role.record.body)["n"] for role in parked] == [0, 1, 2]


def test_a_delete_of_an_opportunity_dismisses_its_parked_roles(bench):
    bench.park(bench.role("a", 1), bench.role("b", 1), bench.role("a", 2))
    parked = bench.waiting.parked_roles
    assert not parked.has_dismissed
    bench.waiting.add(bench.opportunity("a", DELETE))
    assert parked.has_dismissed
    assert keys(parked.take_dismissed()) == [("a", 1), ("a", 2)]
    assert parked.take_dismissed() == []
    assert not parked.has_dismissed
    assert parked.waits_for("b")


def test_dismissed_roles_are_taken_until_none_is_left(bench):
    roles = [bench.role("a", number) for number in range(3)]
    for role in roles:
        role.source = b" " * 2_500_000
    bench.park(*roles)
    bench.waiting.add(bench.opportunity("a", DELETE))
    portions = [keys(bench.waiting.parked_roles.take_dismissed()) for _ in range(3)]
    assert portions == [[("a", 0), ("a", 1)], [("a", 2)], []]


def test_record_behind_a_role_parked_in_its_queue_is_sent(bench):
    bench.park(bench.role("a", 1, 0))
    without_lead = bench.role("a", 2)
    bench.waiting.await_lead(without_lead)
    bench.waiting.add(bench.role("a", 1, 1))
    bench.waiting.add(bench.opportunity("a"))
    bench.waiting.drop(without_lead)
    bench.send_all({"a"})
    assert bench.sent_keys == [("a",), ("a", 1), ("a", 1)]


def test_a_delete_of_a_role_dismisses_the_parked_role_alone(bench):
    bench.park(bench.role("a", 1), bench.role("a", 2))
    bench.waiting.add(bench.role("a", 1, operation=DELETE))
    assert keys(bench.waiting.parked_roles.take_dismissed()) == [("a", 1)]
    assert bench.waiting.parked_roles.waits_for("a")


def test_versions_of_a_parked_role_are_merged_when_it_is_sent(merging):
    merging.park(merging.role("a", 1, 0))
    merging.waiting.add(merging.role("a", 1, 1))
    merging.ledger.state("behind", now=0)
    merging.waiting.add(merging.opportunity("a"))
    merging.send_one({"a"})
    (batch,) = merging.waiting.batches
    (record,) = batch.records
    assert decode_record(record.sent_body)["n"] == 1
    assert merging.due == []
    merging.send_all()
    assert merging.sent == [[("a",)], [("a", 1)]]
    assert merging.due == ["behind"]


@pytest.mark.parametrize(("excess_bytes", "count"), [(-1, 1), (0, 2)])
def test_versions_merged_when_sent_stay_within_a_call(excess_bytes, count):
    merging = ParkingBench(merges=True, max_held_bytes=9_000_000)
    first, second = merging.role("a", 1), merging.role("a", 1)
    size_bytes = MAX_RECORD_BYTES + excess_bytes
    second.body = first.body[:-1] + b',"x":"%b"}' % (b"x" * (size_bytes - len(first.body) - 7))
    assert len(second.body) == size_bytes
    merging.park(first)
    merging.waiting.add(second)
    merging.waiting.add(merging.opportunity("a"))
    merging.send_one({"a"})
    merging.send_all()
    assert merging.sent_keys[1:] == [("a", 1)] * count


def test_opportunity_is_sent_though_a_role_behind_was_dropped(bench):
    bench.park(bench.role("a", 1))
    bench.waiting.add(bench.opportunity("a"))
    bench.waiting.batches.close_all()
    batch = bench.waiting.closed.popleft()
    without_lead = bench.role("a", 2)
    bench.waiting.await_lead(without_lead)
    # Memory is full, so that the parked role is not queued again at once.
    for number in range(200):
        bench.waiting.add(bench.opportunity(f"K{number}"))
    bench.waiting.readmit("a")
    bench.settle(batch)
    bench.waiting.drop(without_lead)
    bench.send_all()
    bench.waiting.add(bench.opportunity("a"))
    bench.send_all()
    assert bench.sent_keys[-2:] == [("a", 1), ("a",)]
    assert bench.waiting.held_bytes == 0


# Roles of an opportunity that this run deletes are not merged


def test_roles_of_a_deleted_opportunity_are_not_merged(merging):
    merging.waiting.add(merging.opportunity("a", DELETE))
    merging.send_all()
    for key in ("a", "b"):
        for note in range(2):
            merging.waiting.add(merging.role(key, 1, note))
    merging.send_all()
    assert merging.sent == [[("a",)], [("a", 1), ("b", 1)], [("a", 1)]]


@pytest.mark.parametrize(("operation", "count"), [(DELETE, 2), (SYNC, 1)])
def test_roles_behind_a_queued_delete_are_not_merged(merging, operation, count):
    merging.waiting.add(merging.opportunity("a"))
    merging.waiting.batches.close_all()
    merging.waiting.add(merging.opportunity("a", operation))
    for note in range(2):
        merging.waiting.add(merging.role("a", 1, note))
    merging.send_all()
    assert merging.sent_keys == [("a",), ("a",)] + [("a", 1)] * count
