"""Look up the missing opportunities of roles that have held back a STATE for too long."""

from __future__ import annotations

import typing as t

from marketo_opps import MAX_BATCH_RECORDS, MarketoObject
from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.keys import comparable_key
from target_marketo_opps.delivery.key_lookup import KeyLookup

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from marketo_opps import MarketoClient
    from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
    from target_marketo_opps.delivery.parked_roles import ParkedRoles
    from target_marketo_opps.state.state_release import StateRelease

_CHECK_INTERVAL = 0.1
"""Fraction of `patience_seconds` until roles are checked again when fewer than 300 were due."""

_Found = t.Sequence[str | None]


class OverdueRoles:
    """Looks up opportunities that parked roles wait for, 300 per call, at intervals.

    Args:
        parked: roles that wait until Marketo has their opportunity.
        calls: calls in flight.
        states: tells which STATEs were held back for too long.
        client: makes the calls.
        clock: returns seconds of a monotonic clock.
        patience_seconds: time until an opportunity is looked up again.
    """

    def __init__(
        self,
        parked: ParkedRoles,
        calls: CallsInFlight,
        states: StateRelease,
        client: MarketoClient,
        *,
        clock: Callable[[], float],
        patience_seconds: float = 300.0,
    ) -> None:
        self._parked = parked
        self._calls = calls
        self._states = states
        self._client = client
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._is_looking_up = False
        self._next_check_at = 0.0

    def look_up_next(self, on_found: Callable[[Iterable[str | None]], None]) -> None:
        """Look up missing opportunities of roles that hold back a STATE for too long, at intervals.

        Args:
            on_found: called on the main thread with the ids, in comparable form, of opportunities
                that Marketo has.
        """
        roles, until = self._parked.waiting, self._states.overdue_number()
        # The limit of calls in flight does not apply: batches would always use it up, and an
        # additional call only waits for a free worker.
        if roles is None or until < 0 or self._is_looking_up:
            return
        now = self._clock()
        if now < self._next_check_at:
            return
        ids = roles.opportunities_to_look_up(
            MAX_BATCH_RECORDS, until=until, looked_up_before=now - self._patience_seconds, now=now
        )
        if len(ids) < MAX_BATCH_RECORDS:
            # All roles were checked, which takes long if there are many.
            self._next_check_at = now + self._patience_seconds * _CHECK_INTERVAL
        if ids:
            self._is_looking_up = True
            self._calls.start(self._find, ids, lambda found: self._take(found, on_found))

    def _find(self, ids: Sequence[t.Any]) -> _Found:
        """Return those of the given opportunity ids that Marketo has; runs on a worker thread."""
        records = [{EXTERNAL_ID: each} for each in ids]
        obj = MarketoObject.OPPORTUNITIES
        found = KeyLookup(self._client, obj, (EXTERNAL_ID,), by_id=False).find(records, [])
        return [comparable_key(each[EXTERNAL_ID]) for each in records if found.holds(each)]

    def _take(
        self, found: Future[_Found], on_found: Callable[[Iterable[str | None]], None]
    ) -> None:
        self._is_looking_up = False
        on_found(found.result())
