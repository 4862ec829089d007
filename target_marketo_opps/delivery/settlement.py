"""Process the results of batches: record outcomes, park or reject roles, and release STATEs.

A role is parked, instead of rejected, if Marketo skipped it because its opportunity is missing.
"""

from __future__ import annotations

import typing as t

from marketo_opps import Reason
from target_marketo_opps.delivery.opportunity_history import LEAD_IS_MISSING
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.mapping.keys import display_key

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from marketo_opps import MarketoError
    from target_marketo_opps.delivery.attribution import Attribution
    from target_marketo_opps.delivery.opportunity_history import OpportunityHistory
    from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
    from target_marketo_opps.delivery.outcomes import BatchResult, RecordOutcome
    from target_marketo_opps.delivery.overdue_roles import OverdueRoles
    from target_marketo_opps.delivery.parked_role_store import ParkedRole
    from target_marketo_opps.delivery.reject_policy import RejectPolicy
    from target_marketo_opps.delivery.waiting import WaitingRecords
    from target_marketo_opps.state.state_release import StateRelease

_DELETED = "the role or its opportunity was deleted while the role waited"
_NEVER_CAME = (
    "no opportunity with this id was accepted in this run, so the opportunity or the lead is "
    "missing: deliver both first"
)


class Settlement:
    """Processes the result of each batch, on the main thread.

    Args:
        waiting: records whose outcome is not known yet.
        states: holds each STATE back until the outcomes of all records before it are known.
        recorder: counts outcomes, and writes rejects and receipts.
        rejects: takes rejected records.
        overdue: looks up the opportunities of roles that have held back a STATE for too long.
        history: remembers the opportunities of the run; None if no stream is written to roles.
        attribution: counts what attribution in Marketo needs; None if no stream is written to
            roles.
    """

    def __init__(
        self,
        waiting: WaitingRecords,
        states: StateRelease,
        recorder: OutcomeRecorder,
        rejects: RejectPolicy,
        overdue: OverdueRoles,
        *,
        history: OpportunityHistory | None = None,
        attribution: Attribution | None = None,
    ) -> None:
        self._overdue = overdue
        self._waiting = waiting
        self._states = states
        self._recorder = recorder
        self._rejects = rejects
        self._history = history
        self._attribution = attribution

    def settle(self, result: BatchResult) -> MarketoError | None:
        """Process the result of a delivered batch: count outcomes, and release what waited for it.

        Waiting records can then be sent, and STATEs written. Roles whose opportunity is missing are
        parked, that is, kept to be sent again.

        Returns:
            The error that has to end the run, if there is one; the known outcomes are counted
            in any case.

        Raises:
            RejectLimitError: a parked role was rejected, and `max_rejects` is exceeded.
        """
        self._park_orphans(result)
        over_limit = self._recorder.record(result)
        failure = result.failure or over_limit
        if failure is not None:
            return failure
        assert result.is_complete
        if self._attribution is not None:
            self._attribution.add(result)
        self._readmit_roles(result)
        self._waiting.release(result.batch)
        self._states.settle(result.batch)
        self.reject_dismissed()
        return None

    def reject_dismissed(self) -> None:
        """Reject parked roles if the run deletes them or the opportunity that they wait for.

        Raises:
            RejectLimitError: `max_rejects` is exceeded.
        """
        while roles := self._waiting.parked_roles.take_dismissed():
            self._reject(roles, _DELETED)

    def look_up_overdue(self) -> None:
        """Look up the missing opportunities of roles that hold back a STATE for too long.

        Roles of an opportunity that Marketo has are rejected: their lead must be missing.
        """
        self._overdue.look_up_next(self._reject_found)

    def _reject_found(self, opportunities: Iterable[Hashable]) -> None:
        """Reject parked roles whose opportunity Marketo has: their lead must be what is missing."""
        for opportunity in opportunities:
            waiting = self._waiting.parked_roles.waiting
            # The opportunity may be in a batch, or was accepted after the roles were sent.
            if waiting is None or self._waiting.is_busy(opportunity):
                continue
            while roles := waiting.take_of_opportunity(opportunity):
                self._reject(roles, LEAD_IS_MISSING)

    def reject_parked(self) -> None:
        """Reject all roles whose opportunity is still missing at the end of the input.

        Raises:
            RejectLimitError: `max_rejects` is exceeded.
        """
        while waiting := self._waiting.parked_roles.waiting:
            self._reject(waiting.take_any(), _NEVER_CAME)

    def _park_orphans(self, result: BatchResult) -> None:
        batch = result.batch
        for index in result.orphans:
            record, outcome = batch.records[index], t.cast("RecordOutcome", result.outcomes[index])
            why = self._history.why_missing(record) if self._history else None
            if why is not None:
                result.outcomes[index] = outcome.explained(why)
            else:
                self._waiting.parked_roles.park(record, batch, outcome)
                result.parked.add(index)

    def _readmit_roles(self, result: BatchResult) -> None:
        if self._history is not None:
            for opportunity in self._history.add(result):
                self._waiting.readmit(opportunity)

    def _reject(self, roles: Iterable[ParkedRole], why: str) -> None:
        for role in roles:
            record = role.record
            first, *others = role.reasons
            explained = Reason(first.code, f"{first.message} ({why})")
            reject = Reject.of(record, (explained, *others), role.request_id)
            self._rejects.reject(record.stream, display_key(reject.key.values()), reject)
            self._waiting.parked_roles.unpark(role)
        self._states.write_due()
