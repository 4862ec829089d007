"""Test how parked roles are queued again, within the memory limit."""

from __future__ import annotations

import pytest

from marketo_opps import MarketoObject, Reason
from target_marketo_opps.delivery.batches import Operation, OutboundRecord
from target_marketo_opps.delivery.outcomes import Outcome, RecordOutcome
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.state.ledger import Ledger

KEYS = {
    MarketoObject.OPPORTUNITIES: ("externalOpportunityId",),
    MarketoObject.OPPORTUNITY_ROLES: ("externalOpportunityId", "leadId"),
}
MISSING = RecordOutcome(Outcome.REJECTED, (Reason("1004", "Not found"),))
ROOM = 160_000


class Bench:
    """Waiting records whose batches are sent one by one, in the order of closing."""

    def __init__(self, **options):
        self.ledger = Ledger()
        options = {"max_held_bytes": ROOM, "max_batch_records": 50, **options}
        self.waiting = WaitingRecords(self.ledger, **options)
        self.most_held_bytes = 0
        self.sent = []

    def role(self, opportunity, lead, note=0):
        body = b'{"externalOpportunityId":"%b","leadId":%d,"n":%d}'
        target = self.target(MarketoObject.OPPORTUNITY_ROLES, Operation.SYNC)
        return self.record(target, (opportunity, lead), body % (opportunity.encode(), lead, note))

    def opportunity(self, key, operation=Operation.SYNC):
        target = self.target(MarketoObject.OPPORTUNITIES, operation)
        return self.record(target, (key,), b'{"externalOpportunityId":"%b"}' % key.encode())

    def target(self, obj, operation):
        return self.waiting.batches.target(obj, operation, KEYS[obj])

    @staticmethod
    def record(target, key, body):
        return OutboundRecord("s", target, key, key[:1], body, "s", b"{}")

    def park(self, *roles):
        """Send roles that Marketo skips, so that they are parked."""
        for role in roles:
            self.waiting.add(role)
            self.waiting.batches.close_all()
            while self.waiting.closed:
                batch = self.waiting.closed.popleft()
                for record in batch.records:
                    self.waiting.parked_roles.park(record, batch, MISSING)
                self.settle(batch)

    def send_all(self, accepted=()):
        """Send all batches; record which opportunities are accepted."""
        while self.send_one(accepted):
            pass

    def send_one(self, accepted=()):
        self.waiting.batches.close_all()
        if not self.waiting.closed:
            return False
        batch = self.waiting.closed.popleft()
        self.sent.append([record.key for record in batch.records])
        for key in {record.key[0] for record in batch.records if len(record.key) == 1}:
            if key in accepted:
                self.waiting.readmit(key)
        self.settle(batch)
        return True

    def settle(self, batch):
        self.waiting.release(batch)
        self.ledger.settle(batch)
        self.most_held_bytes = max(self.most_held_bytes, self.waiting.held_bytes)

    @property
    def sent_keys(self):
        return [key for batch in self.sent for key in batch]


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("opportunities", [1, 7, 50, 1000])
def test_readmitted_roles_stay_within_the_memory_limit(bench, opportunities):
    roles = [bench.role(f"K{n % opportunities}", n) for n in range(1000)]
    bench.park(*roles)
    bench.ledger.state("behind", now=0)
    accepted = {f"K{number}" for number in range(opportunities)}
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
    bench = Bench(merges=True, max_held_bytes=32_000)
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
