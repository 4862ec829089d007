"""Look up the leads of roles before the roles are put into batches."""

from __future__ import annotations

import itertools
import logging
import typing as t

from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.wording import counted
from target_marketo_opps.delivery.lead_choice import folded
from target_marketo_opps.delivery.lookup_size import LookupSize
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.mapping.keys import display_key, with_line

if t.TYPE_CHECKING:
    from concurrent.futures import Future

    from target_marketo_opps.delivery.batches import OutboundRecord, WantedLead
    from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
    from target_marketo_opps.delivery.known_leads import KnownLeads
    from target_marketo_opps.delivery.lead_choice import LeadMatch
    from target_marketo_opps.delivery.lead_counts import LeadCounts
    from target_marketo_opps.delivery.lead_query import LeadAnswer, LeadQuery
    from target_marketo_opps.delivery.reject_policy import RejectPolicy
    from target_marketo_opps.delivery.waiting import WaitingRecords
    from target_marketo_opps.state.state_release import StateRelease

_LOGGER = logging.getLogger("target-marketo-opps")

_Spellings = dict[str, list["OutboundRecord"]]


class LeadLookup:
    """Finds the leads of roles, on the main thread; each value is looked up once per run.

    Args:
        query: makes the calls.
        known: remembers the leads that were found.
        waiting: keeps roles whose lead is not known yet.
        calls: calls in flight.
        states: holds each STATE back until the outcomes of all records before it are known.
        rejects: takes roles without a lead.
        counts: counts lookups for the closing line.
    """

    def __init__(
        self,
        query: LeadQuery,
        known: KnownLeads,
        *,
        waiting: WaitingRecords,
        calls: CallsInFlight,
        states: StateRelease,
        rejects: RejectPolicy,
        counts: LeadCounts,
    ) -> None:
        self._query = query
        self._known = known
        self._waiting = waiting
        self._calls = calls
        self._states = states
        self._rejects = rejects
        self._counts = counts
        self._size = LookupSize()
        # By the folded value, because values that differ only by case must not share a call.
        self._roles: dict[str, _Spellings] = {}
        self._unsent: dict[str, None] = {}
        self._has_warned = False

    @property
    def is_pending(self) -> bool:
        """Return whether any role waits for the lookup of its lead."""
        return bool(self._roles)

    def admit(self, record: OutboundRecord, wanted: WantedLead) -> bool:
        """Set the lead ID of a role that has just arrived, if its lookup value is known already.

        If the value was not looked up yet, queue the role. If no lead was found, reject it.

        Returns:
            Whether the lead ID was set, so that the role can be put into a batch.

        Raises:
            RejectLimitError: the role was rejected, and `max_rejects` is exceeded.
        """
        match = self._known.match(wanted.value)
        if match is None:
            self._wait(record, wanted)
            return False
        if match.lead_id is None:
            self._reject(record, wanted, match)
            return False
        record.take_lead(wanted, match.lead_id)
        record.wanted = None
        return True

    def start_full(self) -> None:
        """Start lookups while enough values for a full call are pending, up to the call limit."""
        while len(self._unsent) >= self._size.values and self._calls.has_room:
            self._start()

    def start_all(self) -> None:
        """Start lookups of all pending values, full or not, up to the call limit."""
        while self._unsent and self._calls.has_room:
            self._start()

    def start_overdue(self, record: OutboundRecord) -> None:
        """Start all pending lookups of leads, if one of them is for a role that blocks a STATE.

        Args:
            record: a queued record that has held back a STATE for too long.
        """
        if record.awaits_lead and record.wanted and folded(record.wanted.value) in self._unsent:
            self.start_all()

    def _wait(self, record: OutboundRecord, wanted: WantedLead) -> None:
        form = folded(wanted.value)
        if form not in self._roles:
            self._roles[form], self._unsent[form] = {}, None
        self._roles[form].setdefault(wanted.value, []).append(record)
        self._waiting.await_lead(record)
        self.start_full()

    def _start(self) -> None:
        forms = list(itertools.islice(self._unsent, self._size.values))
        for form in forms:
            del self._unsent[form]
        values = [next(iter(self._roles[form])) for form in forms]
        self._calls.start(self._query.find, values, self._take)

    def _take(self, future: Future[LeadAnswer]) -> None:
        """Process the result of a lookup: set the lead IDs of waiting roles, or reject the roles.

        Raises:
            MarketoError: the lookup failed, or `max_rejects` is exceeded.
        """
        answer = future.result()
        matches, unrequested = self._known.add(answer)
        self._size.learn(matches)
        self._counts.add(matches, len(answer.too_many), answer.calls)
        self._warn_of(unrequested + answer.unusable)
        for value in answer.values:
            self._settle_spellings(folded(value))
        self._states.write_due()

    def _settle_spellings(self, form: str) -> None:
        """Process lookup results for waiting roles whose lookup values differ only by case.

        A role gets the lead ID that was found for its value; if none was found, it is rejected.
        Roles with a spelling that has no result yet wait for another lookup.

        Args:
            form: the lookup values in lower case, without surrounding blanks.
        """
        rest: _Spellings = {}
        for value, records in self._roles.pop(form).items():
            match = self._known.match(value)
            if match is None:
                rest[value] = records
                continue
            for record in records:
                self._settle(record, match)
        if rest:
            self._roles[form], self._unsent[form] = rest, None

    def _settle(self, record: OutboundRecord, match: LeadMatch) -> None:
        wanted = t.cast("WantedLead", record.wanted)
        if match.lead_id is not None:
            self._waiting.place(record, wanted, match.lead_id)
            return
        self._reject(record, wanted, match)
        self._waiting.drop(record)

    def _reject(self, record: OutboundRecord, wanted: WantedLead, match: LeadMatch) -> None:
        self._counts.add_role(match)
        reject = Reject.of(record, [match.reject_reason(self._query.field)])
        key = with_line(display_key([reject.key[EXTERNAL_ID]]), wanted.line_number)
        self._rejects.reject(record.stream, key, reject)

    def _warn_of(self, odd: int) -> None:
        if odd and not self._has_warned:
            self._has_warned = True
            _LOGGER.warning(
                "A lookup of leads by '%s' returned %s that were not asked for or have no valid "
                "id: skipped. If roles are rejected because no lead is found, compare the spelling "
                "of their values with Marketo's.",
                self._query.field,
                counted(odd, "lead"),
            )
