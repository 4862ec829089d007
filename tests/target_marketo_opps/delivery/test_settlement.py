"""Test what becomes of skipped roles: parked, or rejected with an explanation."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from marketo_opps import Reason
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.opportunity_history import OpportunityHistory
from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
from target_marketo_opps.delivery.outcomes import (
    CREATED,
    DELETED,
    BatchResult,
    Outcome,
    RecordOutcome,
)
from target_marketo_opps.delivery.overdue_roles import OverdueRoles
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.delivery.rejects import RejectsFile
from target_marketo_opps.delivery.settlement import Settlement
from target_marketo_opps.settings import TargetSettings
from target_marketo_opps.state.state_release import StateRelease
from tests.target_marketo_opps.delivery.parking_bench import MISSING, ParkingBench

DUPLICATE = RecordOutcome(Outcome.REJECTED, (Reason("1005", "Exists"),))


class SettlingBench(ParkingBench):
    """Waiting records whose batches are answered by the test and settled as in a run."""

    def __init__(self, *, max_rejects=-1, **options):
        super().__init__(**options)
        self.states, self.rejects = [], Mock(spec=RejectsFile)
        self.counters = RunCounters()
        self.counters.register_stream("s")
        self.attribution, self.overdue = Mock(), Mock(spec=OverdueRoles)
        policy = RejectPolicy(self.counters, self.rejects, TargetSettings(max_rejects=max_rejects))
        self.settlement = Settlement(
            self.waiting,
            StateRelease(
                self.ledger, self.states.append, before_write=lambda: None, clock=lambda: 0.0
            ),
            OutcomeRecorder(self.counters, policy),
            policy,
            self.overdue,
            history=OpportunityHistory(),
            attribution=self.attribution,
        )

    def answer(self, *outcomes):
        """Settle the next batch with some outcomes, and return its result."""
        self.waiting.batches.close_all()
        result = BatchResult(self.waiting.closed.popleft())
        result.outcomes[:] = outcomes
        assert self.settlement.settle(result) is None
        return result

    def add(self, *records):
        for record in records:
            self.waiting.add(record)

    def find(self, *opportunities):
        """Answer the lookup of overdue roles: Marketo has these opportunities."""
        self.settlement.look_up_overdue()
        (on_found,) = self.overdue.look_up_next.call_args.args
        on_found(iter(opportunities))

    @property
    def told(self):
        """Return key, first reason and request id of each reject."""
        rejects = [call.args[0] for call in self.rejects.write.call_args_list]
        return [(*each.key.values(), str(each.reasons[0]), each.request_id) for each in rejects]


@pytest.fixture
def bench():
    return SettlingBench()


def test_role_of_an_opportunity_not_seen_yet_is_parked(bench):
    bench.add(bench.role("a", 1), bench.role("b", 2))
    bench.ledger.state("behind", now=0)
    result = bench.answer(MISSING, CREATED)
    assert result.parked == {0}
    assert bench.waiting.parked_roles.waits_for("a")
    assert bench.told == bench.states == []
    bench.attribution.add.assert_called_once_with(result)
    bench.add(bench.opportunity("a"))
    bench.answer(CREATED)
    bench.answer(CREATED)
    assert bench.states == ["behind"]
    assert bench.counters.settled == 3


EXISTS = "the opportunity exists, so the lead is missing"
GONE = "the opportunity was deleted in this run"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([CREATED], EXISTS),
        ([DUPLICATE], EXISTS),
        ([CREATED, DELETED], GONE),
        ([DUPLICATE, DELETED], GONE),
        ([CREATED, DELETED, CREATED], EXISTS),
    ],
)
def test_role_of_an_opportunity_seen_before_is_rejected(bench, steps, why):
    for outcome in steps:
        operation = Operation.DELETE if outcome is DELETED else Operation.SYNC
        bench.add(bench.opportunity("a", operation))
        bench.answer(outcome)
    bench.add(bench.role("a", 1))
    bench.ledger.state("behind", now=0)
    assert bench.answer(MISSING).parked == set()
    assert bench.told[-1] == ("a", 1, f"1004 Not found ({why})", "r#1")
    assert bench.states == ["behind"]


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [(Operation.DELETE, DELETED), (Operation.SYNC, MISSING)],
    ids=["deleted", "rejected"],
)
def test_role_waits_if_its_opportunity_was_never_accepted(bench, operation, outcome):
    bench.add(bench.opportunity("a", operation))
    bench.answer(outcome)
    bench.add(bench.role("a", 1))
    assert bench.answer(MISSING).parked == {0}


def test_role_waits_though_another_spelling_of_its_opportunity_exists(bench):
    bench.add(bench.opportunity("D-2"))
    bench.answer(CREATED)
    bench.add(bench.role("d-2", 1))
    assert bench.answer(MISSING).parked == {0}
    bench.add(bench.opportunity("d-2"))
    bench.answer(CREATED)
    bench.answer(CREATED)
    assert bench.told == []
    assert bench.counters.settled == 3


def test_role_is_sent_again_after_its_opportunity_exists_already(bench):
    bench.park(bench.role("a", 1))
    bench.ledger.state("behind", now=0)
    bench.add(bench.opportunity("a"))
    bench.answer(DUPLICATE)
    bench.answer(CREATED)
    assert [told[0] for told in bench.told] == ["a"]
    assert bench.states == ["behind"]


def test_roles_of_an_opportunity_that_marketo_has_are_rejected(bench):
    bench.add(bench.role("a", 1), bench.role("b", 2), bench.role("c", 3), bench.role("b", 4))
    bench.ledger.state("behind", now=0)
    bench.answer(*[MISSING] * 4)
    # A batch has the opportunity, so that its roles may be accepted.
    bench.add(bench.opportunity("a"))
    bench.find("a", "b")
    assert bench.told == [("b", lead, f"1004 Not found ({EXISTS})", "r#1") for lead in (2, 4)]
    assert bench.waiting.parked_roles.waits_for("a")
    assert bench.waiting.parked_roles.waits_for("c")
    bench.find("c")
    bench.answer(CREATED)
    assert bench.states == []
    bench.answer(CREATED)
    assert bench.states == ["behind"]


def test_lookup_that_ends_after_all_roles_are_sent_is_ignored(bench):
    bench.find("a")
    assert bench.told == []


def test_role_is_rejected_if_its_opportunity_is_deleted(bench):
    bench.park(bench.role("a", 1))
    bench.ledger.state("behind", now=0)
    bench.add(bench.opportunity("a", Operation.DELETE))
    bench.settlement.reject_dismissed()
    why = "(the role or its opportunity was deleted while the role waited)"
    assert bench.told == [("a", 1, f"1004 Not found {why}", "r#1")]
    assert bench.states == ["behind"]


def test_all_parked_roles_are_rejected_at_the_end(bench):
    bench.park(bench.role("a", 1), bench.role("b", 2))
    bench.ledger.state("behind", now=0)
    bench.settlement.reject_parked()
    assert [told[:2] for told in bench.told] == [("a", 1), ("b", 2)]
    assert all("was accepted in this run, so the opportunity" in told[2] for told in bench.told)
    assert list(bench.counters.causes.lines()) == [
        f"2 rejected with {bench.told[0][2][:4]} ({bench.told[0][2][5:]}): a/1, b/2"
    ]
    assert bench.states == ["behind"]
    assert not bench.waiting.parked_roles.waiting


def test_other_reasons_of_a_parked_role_are_kept(bench):
    bench.add(bench.role("a", 1))
    reasons = (*MISSING.reasons, Reason("1006", "Odd"))
    bench.answer(MISSING.__class__(MISSING.kind, reasons))
    bench.settlement.reject_parked()
    (call,) = bench.rejects.write.call_args_list
    assert [reason.code for reason in call.args[0].reasons] == ["1004", "1006"]
