"""Park roles without a Marketo instance, and send them again."""

from __future__ import annotations

from marketo_opps import MarketoObject, Reason
from marketo_opps.keys import comparable_key
from target_marketo_opps.delivery.batches import Operation, OutboundRecord
from target_marketo_opps.delivery.outcomes import Outcome, RecordOutcome
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.state.ledger import Ledger

KEYS = {
    MarketoObject.OPPORTUNITIES: ("externalOpportunityId",),
    MarketoObject.OPPORTUNITY_ROLES: ("externalOpportunityId", "leadId"),
}
MISSING = RecordOutcome(Outcome.REJECTED, (Reason("1004", "Not found"),), request_id="r#1")
ROOM = 160_000


class ParkingBench:
    """Waiting records whose batches are sent one by one, in the order of closing."""

    def __init__(self, **options):
        self.ledger = Ledger()
        options = {"max_held_bytes": ROOM, "max_batch_records": 50, **options}
        self.waiting = WaitingRecords(self.ledger, **options)
        self.most_held_bytes = 0
        self.sent = []

    def role(self, opportunity, lead, note=0, *, operation=Operation.SYNC):
        body = b'{"externalOpportunityId":"%b","leadId":%d,"n":%d}'
        target = self.target(MarketoObject.OPPORTUNITY_ROLES, operation)
        key = comparable_key(opportunity), lead
        return self.record(target, key, body % (opportunity.encode(), lead, note))

    def opportunity(self, key, operation=Operation.SYNC):
        target = self.target(MarketoObject.OPPORTUNITIES, operation)
        body = b'{"externalOpportunityId":"%b"}' % key.encode()
        return self.record(target, (comparable_key(key),), body)

    def target(self, obj, operation):
        return self.waiting.batches.target(obj, operation, KEYS[obj])

    @staticmethod
    def record(target, key, body):
        return OutboundRecord("s", target, key, key[:1], body, "s", b'{"record":{}}')

    def park(self, *roles):
        """Add roles and send each at once; Marketo skips them, so that they are parked."""
        for role in roles:
            self.waiting.add(role)
            self.park_sent()

    def park_sent(self):
        """Send all batches of roles; Marketo skips the roles, so that they are parked."""
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
    def due(self):
        """Return the STATEs that may be written now."""
        return list(self.ledger.due())

    @property
    def sent_keys(self):
        return [key for batch in self.sent for key in batch]
