"""Build a dispatcher with a clock that the test sets."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

from marketo_opps import CallCounts, MarketoObject, Reason
from target_marketo_opps.delivery.batches import Operation, OutboundRecord
from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.dispatcher import Dispatcher
from target_marketo_opps.delivery.opportunity_history import OpportunityHistory
from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
from target_marketo_opps.delivery.outcomes import CREATED, BatchResult, Outcome, RecordOutcome
from target_marketo_opps.delivery.overdue_roles import OverdueRoles
from target_marketo_opps.delivery.progress_log import ProgressLog
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.delivery.settlement import Settlement
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.settings import TargetSettings
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.self_pipe import SelfPipe
from target_marketo_opps.state.state_release import StateRelease

BAD = Reject("s", MarketoObject.OPPORTUNITIES, {}, (Reason("1003", "Bad"),))


BODY, SOURCE = b'{"k":1}', b'{"record":{}}'
REFUSED = RecordOutcome(Outcome.REJECTED, (Reason("1003", "Bad"),), "r#7")


class Bench:
    """A dispatcher whose calls are answered immediately, or by the test."""

    def __init__(
        self, *, at_once=True, rejects=None, room=None, write_state=None, client=None, **settings
    ):
        self.now, self.states, self.sent, self.at_once = 0.0, [], [], at_once
        self.futures, self.delivered_by, self.deliver = [], [], object()
        ledger = Ledger()
        self.waiting = WaitingRecords(ledger, **(room or {}))
        self.counters = RunCounters()
        self.counters.register_stream("s")
        self.rejects = RejectPolicy(self.counters, rejects, TargetSettings(**settings))
        self.self_pipe, self.shutdown = SelfPipe(), SimpleNamespace(requested=False)
        self.shutdown.raise_if_out_of_time = lambda: None
        calls = CallsInFlight(self, self.self_pipe, max_calls=2)
        states = StateRelease(
            ledger,
            write_state or self.states.append,
            before_write=rejects.flush if rejects else lambda: None,
            clock=self.clock,
        )
        self.dispatcher = Dispatcher(
            waiting=self.waiting,
            calls=calls,
            deliver=self.deliver,
            states=states,
            settlement=Settlement(
                self.waiting,
                states,
                OutcomeRecorder(self.counters, self.rejects),
                self.rejects,
                OverdueRoles(self.waiting.parked_roles, calls, states, client, clock=self.clock),
                history=OpportunityHistory(),
            ),
            shutdown=self.shutdown,
            progress=ProgressLog(
                lambda seconds: self.counters.progress(CallCounts(), seconds), clock=self.clock
            ),
            clock=self.clock,
        )

    def clock(self):
        return self.now

    def submit(self, deliver, batch):
        self.delivered_by.append(deliver)
        self.sent.append(batch)
        self.futures.append(Future())
        if self.at_once:
            self.answer(len(self.futures) - 1)
        return self.futures[-1]

    def answer(self, number, *outcomes):
        """Respond to a call; all of its records are created unless outcomes are given."""
        result = BatchResult(self.sent[number])
        result.outcomes[:] = outcomes or [CREATED] * len(result.outcomes)
        self.futures[number].set_result(result)

    def take(self, *keys, operation=Operation.SYNC):
        for key in keys:
            target = self.waiting.batches.target(MarketoObject.OPPORTUNITIES, operation, ("k",))
            self.dispatcher.take(OutboundRecord("s", target, key, (key,), BODY, "s", SOURCE))

    def send_open(self):
        """Send all records taken so far, even in batches that are not full."""
        self.waiting.batches.close_all()
        self.dispatcher.before_read(None)

    def tend(self, now):
        self.now = now
        self.dispatcher.before_read(None)
        self.dispatcher.before_read(None)
