"""Create the parts of a run, connect them, and end the run."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, ConnectionSettings, MarketoClient, MarketoError
from target_marketo_opps.delivery.attribution import Attribution
from target_marketo_opps.delivery.batch_writer import BatchWriter
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.dispatcher import Dispatcher
from target_marketo_opps.delivery.dry_run import DryRun
from target_marketo_opps.delivery.known_leads import KnownLeads
from target_marketo_opps.delivery.lead_counts import LeadCounts
from target_marketo_opps.delivery.lead_lookup import LeadLookup
from target_marketo_opps.delivery.lead_query import LeadQuery
from target_marketo_opps.delivery.opportunity_history import OpportunityHistory
from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
from target_marketo_opps.delivery.overdue_roles import OverdueRoles
from target_marketo_opps.delivery.progress_log import ProgressLog
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.delivery.settlement import Settlement
from target_marketo_opps.delivery.waiting import MAX_HELD_BYTES, WaitingRecords
from target_marketo_opps.marketo_access import MarketoAccess
from target_marketo_opps.output_files import OutputFiles
from target_marketo_opps.run_summary import RunSummary
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.state_release import StateRelease
from target_marketo_opps.state.state_writer import StateWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps.plugin.process import ShutdownSignal
    from target_marketo_opps.settings import TargetSettings

_FAILURE_PATIENCE_SECONDS = 75.0
"""Time to wait for calls in flight after a failure: longer than the timeout of a write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Limits on the memory, number and waiting time of records and STATEs in a run.

    Attributes:
        max_batch_records: maximum number of records per call.
        state_patience_seconds: how long an open batch may hold a STATE back.
        progress_seconds: time between two progress lines.
        max_held_bytes: memory that records whose outcome is not known may take.
    """

    max_batch_records: int = MAX_BATCH_RECORDS
    state_patience_seconds: float = 300.0
    progress_seconds: float = 10.0
    max_held_bytes: int = MAX_HELD_BYTES


DEFAULT_LIMITS = RunLimits()


class TargetRun:
    """One run of the target: creates its parts, connects them, and ends the run.

    Args:
        config: the plugin's settings, validated.
        settings: the target's own settings.
        shutdown: tells whether the process was asked to stop.
        make_client: creates the client.
        limits: limits on memory, records per call, and waiting times.

    Attributes:
        settings: the target's own settings.
        files: files of rejects, and of receipts or a diff.
        marketo: client, worker threads, and descriptions of the instance.
        counters: number of records with each outcome so far.
        rejects: takes rejected records, and ends the run if there are too many.
        attribution: counts what attribution in Marketo needs.
        waiting: records whose outcome is not known yet.
        dispatcher: delivers these records.
    """

    def __init__(
        self,
        config: Mapping[str, t.Any],
        settings: TargetSettings,
        *,
        shutdown: ShutdownSignal,
        make_client: Callable[[ConnectionSettings], MarketoClient] = MarketoClient,
        limits: RunLimits = DEFAULT_LIMITS,
    ) -> None:
        self.settings = settings
        self._connection = ConnectionSettings.from_config(config)
        client = make_client(self._connection)
        self.files = OutputFiles(settings, client)
        self.marketo = MarketoAccess(
            client,
            max_calls=self._connection.max_concurrent_calls,
            shutdown=shutdown,
            lookup_field=settings.lead_lookup_field,
        )
        self.counters = RunCounters()
        self.rejects = RejectPolicy(self.counters, self.files.rejects, settings, self.files.settled)
        self.attribution = Attribution()
        self._summary = RunSummary(settings, self.counters, self.files.rejects)
        self._dry_run = DryRun(self.marketo.client, settings, describe=self.marketo.descriptions.of)
        self._began_at = time.monotonic()
        self._ended = False
        ledger = Ledger()
        self.waiting = WaitingRecords(
            ledger,
            merges=settings.merges,
            max_batch_records=limits.max_batch_records,
            max_held_bytes=limits.max_held_bytes,
        )
        states = self._state_release(ledger, shutdown, limits)
        self.dispatcher = self._dispatcher(states, shutdown, limits)

    def complete(self) -> None:
        """Deliver all records at the end of the input; log attribution and a dry run's calls."""
        self.dispatcher.complete()
        if self.counters.has_outcomes_of(self.attribution.streams):
            self.attribution.log()
        if self.settings.dry_run:
            self._log_dry_run_cost()
            self.rejects.check_limit()

    def end(self, *, deliver_rest: bool) -> None:
        """Deliver what can be delivered, log the summary, and close everything.

        A second call does nothing.

        Args:
            deliver_rest: whether to deliver the records that arrived before an invalid line.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._wind_down(deliver_rest=deliver_rest)
        finally:
            self._summary.log(
                self.marketo.client.counts,
                short_batches=self.waiting.batches.short_batches,
                seconds=time.monotonic() - self._began_at,
            )
            self.close()

    def close(self) -> None:
        """Close threads, connections and files, even if closing one of them fails."""
        with contextlib.ExitStack() as closing:
            closing.callback(self.files.close)
            self.marketo.close()

    def _wind_down(self, *, deliver_rest: bool) -> None:
        # Errors are ignored here: the error that ended the run is the one to report.
        with contextlib.suppress(MarketoError):
            if deliver_rest and not self.dispatcher.has_failed:
                self.dispatcher.finish()
        self.marketo.client.stop()
        with contextlib.suppress(MarketoError):
            self.dispatcher.await_in_flight(patience_seconds=_FAILURE_PATIENCE_SECONDS)

    def _log_dry_run_cost(self) -> None:
        lookups = self.counters.leads.calls if self.counters.leads else 0
        self._summary.log_dry_run_cost(
            self._dry_run.calls + self.marketo.descriptions.calls + lookups,
            self.marketo.call(self.marketo.client.calls_today),
            self._connection.daily_call_limit,
        )

    # The dispatcher and its parts

    def _dispatcher(
        self, states: StateRelease, shutdown: ShutdownSignal, limits: RunLimits
    ) -> Dispatcher:
        return Dispatcher(
            waiting=self.waiting,
            calls=self.marketo.calls,
            deliver=self._dry_run.deliver
            if self.settings.dry_run
            else self._batch_writer().deliver,
            states=states,
            settlement=self._settlement(states, limits),
            leads=self._lead_lookup(states),
            shutdown=shutdown,
            progress=self._progress_log(limits),
            clock=time.monotonic,
        )

    def _state_release(
        self, ledger: Ledger, shutdown: ShutdownSignal, limits: RunLimits
    ) -> StateRelease:
        writer = StateWriter(self.marketo.self_pipe, lambda: shutdown.requested)
        return StateRelease(
            ledger,
            writer.write if self.settings.writes_states else None,
            before_write=self.files.flush,
            clock=time.monotonic,
            patience_seconds=limits.state_patience_seconds,
        )

    def _batch_writer(self) -> BatchWriter:
        return BatchWriter(
            self.marketo.client,
            self.settings,
            describe=self.marketo.descriptions.of,
            rejects=self.rejects,
        )

    def _settlement(self, states: StateRelease, limits: RunLimits) -> Settlement:
        overdue = OverdueRoles(
            self.waiting.parked_roles,
            self.marketo.calls,
            states,
            self.marketo.client,
            clock=time.monotonic,
            patience_seconds=limits.state_patience_seconds,
        )
        writes_roles = self.settings.writes_roles
        return Settlement(
            self.waiting,
            states,
            OutcomeRecorder(self.counters, self.rejects, self.files.settled),
            self.rejects,
            overdue,
            history=OpportunityHistory() if writes_roles else None,
            attribution=self.attribution if writes_roles else None,
        )

    def _lead_lookup(self, states: StateRelease) -> LeadLookup | None:
        field = self.settings.lead_lookup_field
        if field is None:
            return None
        self.counters.leads = LeadCounts(field)
        return LeadLookup(
            LeadQuery(self.marketo.client, field),
            KnownLeads(self.settings.lead_lookup_many),
            waiting=self.waiting,
            calls=self.marketo.calls,
            states=states,
            rejects=self.rejects,
            counts=self.counters.leads,
        )

    def _progress_log(self, limits: RunLimits) -> ProgressLog:
        return ProgressLog(
            lambda seconds: self.counters.progress(self.marketo.client.counts, seconds),
            clock=time.monotonic,
            interval_seconds=limits.progress_seconds,
        )
