"""Test how parked roles are queued again, within the memory limit."""

from __future__ import annotations

import pytest

from marketo_opps import decode_record
from target_marketo_opps.delivery.batches import Operation
from tests.target_marketo_opps.delivery.parking_bench import ROOM, ParkingBench


@pytest.fixture
def bench():
    return ParkingBench()


@pytest.mark.parametrize("opportunities", [1, 7, 50, 1000])
def test_readmitted_roles_stay_within_the_memory_limit(bench, opportunities):
    roles = [bench.role(f"k{n % opportunities}", n) for n in range(1000)]
    bench.park(*roles)
    bench.ledger.state("behind", now=0)
    accepted = {f"k{number}" for number in range(opportunities)}
    for key in accepted:
        bench.waiting.add(bench.opportunity(key))
        while bench.waiting.is_crowded:
            bench.send_one(accepted)
    bench.send_all(accepted)
    assert sorted(key for key in bench.sent_keys if len(key) == 2) == sorted(r.key for r in roles)
    assert bench.most_held_bytes < ROOM * 1.1
    assert bench.waiting.held_bytes == 0
    assert list(bench.ledger.due()) == ["behind"]


def test_roles_of_one_opportunity_leave_memory_for_others(bench):
    bench.park(*(bench.role("a", n) for n in range(1000)))
    bench.waiting.add(bench.opportunity("a"))
    bench.send_one({"a"})
    assert 0 < bench.waiting.held_bytes < ROOM / 2


def test_opportunity_is_busy_while_its_records_are_unsettled(bench):
    bench.park(*(bench.role("a", n) for n in range(300)))
    assert not bench.waiting.is_busy("a")
    bench.waiting.add(bench.opportunity("a"))
    assert bench.waiting.is_busy("a")
    for _ in range(6):
        bench.send_one({"a"})
        assert bench.waiting.is_busy("a")
    bench.send_all()
    assert not bench.waiting.is_busy("a")


def test_opportunity_is_busy_until_its_roles_are_readmitted(bench):
    bench.park(bench.role("a", 1))
    bench.waiting.add(bench.opportunity("a"))
    bench.waiting.batches.close_all()
    batch = bench.waiting.closed.popleft()
    for number in range(200):
        bench.waiting.add(bench.opportunity(f"K{number}"))
    bench.waiting.readmit("a")
    bench.settle(batch)
    assert bench.waiting.is_busy("a")
    assert bench.waiting.parked_roles.waits_for("a")
    bench.send_all()
    assert bench.sent_keys[-1] == ("a", 1)


def test_state_waits_for_roles_that_are_not_readmitted_yet(bench):
    bench.park(*(bench.role("a", n) for n in range(300)))
    bench.ledger.state("behind", now=0)
    bench.waiting.add(bench.opportunity("a"))
    bench.send_one({"a"})
    while len(bench.sent_keys) < 301:
        assert list(bench.ledger.due()) == []
        assert bench.send_one()
    assert list(bench.ledger.due()) == ["behind"]


def test_records_wait_until_all_roles_are_readmitted(bench):
    bench.park(*(bench.role("a", n) for n in range(300)))
    bench.waiting.add(bench.opportunity("a"))
    bench.waiting.add(bench.opportunity("a", Operation.DELETE))
    bench.waiting.add(bench.role("b", 1))
    bench.send_all({"a"})
    assert bench.sent_keys.index(("b", 1)) < 100
    assert bench.sent_keys[-1] == ("a",)
    assert [key for key in bench.sent_keys if len(key) == 2 and key[0] == "a"] == [
        ("a", n) for n in range(300)
    ]


def test_roles_are_readmitted_although_memory_is_full(bench):
    bench.park(*(bench.role("a", n) for n in range(300)))
    bench.waiting.add(bench.opportunity("a"))
    for _ in range(ROOM // 1000):
        bench.waiting.add(bench.opportunity("a"))
    assert bench.waiting.is_crowded
    bench.send_all({"a"})
    assert bench.sent_keys[1:301] == [("a", n) for n in range(300)]
    assert len(bench.sent[1]) > 5
    assert not bench.waiting.is_crowded


def test_version_is_not_merged_past_a_role_to_readmit():
    bench = ParkingBench(merges=True, max_held_bytes=32_000)
    versions = [bench.role("a", 1, note) for note in range(8)]
    bench.park(*versions)
    bench.waiting.add(bench.opportunity("a"))
    bodies = []
    while True:
        bench.waiting.batches.close_all()
        if not bench.waiting.closed:
            break
        batch = bench.waiting.closed.popleft()
        if batch.records[0].key == ("a",):
            bench.waiting.readmit("a")
        else:
            bodies += [version.body for version in batch.records[0].all_versions]
        bench.settle(batch)
        if not bodies:
            bench.waiting.add(bench.role("a", 1, 8))
    assert bodies == [bench.role("a", 1, note).body for note in range(9)]


def test_version_is_not_merged_past_the_last_readmitted_one():
    bench = ParkingBench(merges=True, max_held_bytes=32_000)
    bench.park(*(bench.role("a", 1, note) for note in range(4)))
    bench.waiting.add(bench.opportunity("a"))
    bench.send_one({"a"})
    # The first portion is in an open batch, and the second in the queue behind it.
    (batch,) = bench.waiting.batches
    assert len(batch.records[0].all_versions) < 4
    assert not bench.waiting.parked_roles.waits_for("a")
    bench.waiting.add(bench.role("a", 1, 4))
    notes = []
    while bench.waiting.held_bytes:
        bench.waiting.batches.close_all()
        batch = bench.waiting.closed.popleft()
        for record in batch.records:
            notes += [decode_record(version.body)["n"] for version in record.all_versions]
        bench.settle(batch)
    assert notes == list(range(5))
