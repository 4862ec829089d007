"""Deliver records from the main thread: send batches, process results, release STATEs."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps import StoppedError
from target_marketo_opps.delivery.batches import Batch, OutboundRecord

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from marketo_opps.plugin.process import ShutdownSignal
    from target_marketo_opps.delivery.batches import WantedLead
    from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
    from target_marketo_opps.delivery.lead_lookup import LeadLookup
    from target_marketo_opps.delivery.outcomes import BatchResult
    from target_marketo_opps.delivery.progress_log import ProgressLog
    from target_marketo_opps.delivery.settlement import Settlement
    from target_marketo_opps.delivery.waiting import WaitingRecords
    from target_marketo_opps.state.state_release import StateRelease

_LOGGER = logging.getLogger("target-marketo-opps")


class Dispatcher:
    """Decides on the main thread which batch to send, and processes the results of calls.

    Args:
        waiting: records whose outcome is not known yet, in batches and queues.
        calls: calls in flight.
        deliver: sends a batch to Marketo; runs on a worker thread.
        states: holds each STATE back until the outcomes of all records before it are known.
        settlement: processes the result of each batch.
        leads: looks up the leads of roles; None if roles arrive with lead IDs.
        shutdown: tells whether the process was asked to stop.
        progress: logs progress lines.
        clock: returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        *,
        waiting: WaitingRecords,
        calls: CallsInFlight,
        deliver: Callable[[Batch], BatchResult],
        states: StateRelease,
        settlement: Settlement,
        leads: LeadLookup | None = None,
        shutdown: ShutdownSignal,
        progress: ProgressLog,
        clock: Callable[[], float],
    ) -> None:
        self._waiting = waiting
        self._calls = calls
        self._deliver = deliver
        self._states = states
        self._settlement = settlement
        self._leads = leads
        self._shutdown = shutdown
        self._progress = progress
        self._clock = clock
        self._has_failed = False

    # Called by the sinks, the message handlers and the run

    def take(self, record: OutboundRecord) -> None:
        """Accept a record for delivery; if memory is short, wait for results before returning."""
        waiting = self._waiting
        if record.wanted is None or self._is_lead_known(record, record.wanted):
            waiting.add(record)
        self._reject_dismissed()
        if waiting.closed or waiting.is_crowded:
            self._wait_for_capacity()

    def checkpoint(self, value: t.Any) -> None:
        """Hold the value of a STATE back until all records before it have an outcome."""
        self._states.add(value)

    def before_read(self, descriptor: int | None) -> None:
        """Send batches, process results and log progress until the input can be read.

        Args:
            descriptor: file descriptor of the input; None to do all this once, without waiting.

        Raises:
            StoppedError: the process was asked to stop.
        """
        while True:
            self._do_due_work()
            if descriptor is None:
                return
            seconds = self._seconds_until_due()
            if self._calls.wait_for_input(descriptor, timeout_seconds=seconds):
                return

    def complete(self) -> None:
        """Deliver all records at the end of the input.

        Roles whose opportunity is still missing are rejected.
        """
        self.finish()
        self._settlement.reject_parked()

    def finish(self) -> None:
        """Deliver all records that have arrived, until no batch is open or in flight.

        Roles whose opportunity is missing continue to wait, and hold back every STATE after them.
        """
        while True:
            self._send_rest()
            if not self._calls.count:
                break
            self._await_one()
        self._states.write_due()

    def await_in_flight(self, *, patience_seconds: float) -> None:
        """Wait for the calls in flight and process their results, at the end of a failed run.

        Only the first failure of a run is reported; failures of these calls are ignored.

        Args:
            patience_seconds: maximum time to wait.

        Raises:
            StoppedError: the process was asked to stop, and the time that it has to stop is over.
        """
        deadline = self._clock() + patience_seconds
        while self._calls.count and self._clock() < deadline:
            self._shutdown.raise_if_out_of_time()
            if not self._calls.has_done:
                self._calls.wait(timeout_seconds=0.2)
            for take, future in self._calls.take_done():
                _take_quietly(take, future)

    @property
    def has_failed(self) -> bool:
        """Return whether a delivery has failed, so that no other delivery should be tried."""
        return self._has_failed

    # One round of work

    def _reject_dismissed(self) -> None:
        """Reject parked roles if the run deletes them or the opportunity that they wait for."""
        if self._waiting.parked_roles.has_dismissed:
            self._settlement.reject_dismissed()

    def _is_lead_known(self, record: OutboundRecord, wanted: WantedLead) -> bool:
        assert self._leads is not None
        return self._leads.admit(record, wanted)

    def _do_due_work(self) -> None:
        self._check_shutdown()
        self._take_results()
        self._send_overdue()
        self._settlement.look_up_overdue()
        self._send()
        self._progress.log_due()

    def _wait_for_capacity(self) -> None:
        """Send all batches that are ready; wait for results until memory is below its limit."""
        self._send()
        while self._waiting.closed or self._waiting.is_crowded:
            if not self._calls.count:
                self._send_short()
            self._await_one()
            self._send()

    def _send_short(self) -> None:
        """Free memory: start all pending lookups or, if there are none, send the largest batch.

        The calls may contain fewer values or records than a call can.
        """
        if self._leads is not None and self._leads.is_pending:
            self._leads.start_all()
        else:
            self._waiting.batches.close_fullest()
            self._send()

    def _send_rest(self) -> None:
        """Start the pending lookups of leads; if there are none, send all open batches."""
        if self._leads is not None and self._leads.is_pending:
            self._leads.start_all()
        else:
            self._waiting.batches.close_all()
        self._send()

    def _await_one(self) -> None:
        """Wait until at least one call is done, and process the results of finished calls."""
        while not self._calls.has_done:
            self._calls.wait(timeout_seconds=self._seconds_until_due())
            self._check_shutdown()
            self._progress.log_due()
        self._take_results()

    def _send(self) -> None:
        """Start full lookups of leads and send batches that are ready, up to the limit of calls."""
        if self._leads is not None:
            self._leads.start_full()
        closed = self._waiting.closed
        while closed and self._calls.has_room:
            self._calls.start(self._deliver, closed.popleft(), self._take_result)

    def _take_results(self) -> None:
        for take, future in self._calls.take_done():
            had_failed, self._has_failed = self._has_failed, True
            take(future)
            self._reject_dismissed()
            self._has_failed = had_failed

    def _take_result(self, future: Future[BatchResult]) -> None:
        """Process the result of a delivered batch.

        Raises:
            MarketoError: the error that ended the delivery; raised after outcomes were counted.
        """
        failure = self._settlement.settle(future.result())
        if failure is not None:
            raise failure

    def _send_overdue(self) -> None:
        """Send open batches and lookups that have held back a STATE for too long."""
        for token in self._states.overdue():
            if isinstance(token, Batch):
                if token.is_open:
                    self._waiting.batches.close_short(token)
            elif self._leads is not None and isinstance(token, OutboundRecord):
                self._leads.start_overdue(token)

    def _seconds_until_due(self) -> float:
        """Return the seconds until the next progress line, or until a STATE has waited too long."""
        due = [self._progress.due_at, self._states.next_overdue_at]
        return max(0.05, min(at for at in due if at is not None) - self._clock())

    def _check_shutdown(self) -> None:
        if self._shutdown.requested:
            raise StoppedError("Stopped on request; the next run resumes from the last STATE.")


def _take_quietly(take: Callable[[Future[t.Any]], None], future: Future[t.Any]) -> None:
    try:
        take(future)
    except Exception as error:  # noqa: BLE001 - the first failure is the one that is reported
        _LOGGER.debug("Another call in flight failed too: %s", type(error).__name__)
