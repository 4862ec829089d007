"""Put the parts of a run together, and end it."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, ConnectionSettings, MarketoClient, MarketoError
from marketo_opps.plugin.errors import OutputFileError
from marketo_opps.plugin.workers import Workers
from target_marketo_opps.delivery.attribution import Attribution
from target_marketo_opps.delivery.batch_writer import BatchWriter
from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.diff import Diff
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
from target_marketo_opps.delivery.receipts import Receipts
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.delivery.rejects import RejectsFile
from target_marketo_opps.delivery.settlement import Settlement
from target_marketo_opps.delivery.waiting import MAX_HELD_BYTES, WaitingRecords
from target_marketo_opps.descriptions import Descriptions
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.self_pipe import SelfPipe
from target_marketo_opps.state.state_release import StateRelease
from target_marketo_opps.state.state_writer import StateWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps.plugin.process import ShutdownSignal
    from target_marketo_opps.delivery.receipts import SettledRecords
    from target_marketo_opps.settings import TargetSettings

_P = t.ParamSpec("_P")
_T = t.TypeVar("_T")

_LOGGER = logging.getLogger("target-marketo-opps")

_FAILURE_PATIENCE_SECONDS = 75.0
"""After a failure: longer than Marketo's timeout of a write and the margin that is given it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Limits of what may wait, and for how long.

    Attributes:
        max_batch_records: records a call.
        state_patience_seconds: how long an open batch may hold a STATE back.
        progress_seconds: between two progress lines.
        max_held_bytes: the memory that unsettled records may take.
    """

    max_batch_records: int = MAX_BATCH_RECORDS
    state_patience_seconds: float = 300.0
    progress_seconds: float = 10.0
    max_held_bytes: int = MAX_HELD_BYTES


DEFAULT_LIMITS = RunLimits()


class TargetRun:
    """Client, threads, dispatcher and files of one run.

    Args:
        config: the plugin's settings, validated.
        settings: the target's own of them.
        shutdown: knows whether the process is asked to end.
        make_client: makes the client.
        limits: of what may wait, and for how long.

    Attributes:
        settings: the target's own settings.
        client: makes the calls.
        descriptions: what describes the instance.
        counters: the outcomes so far.
        attribution: what of it Marketo's attribution goes by.
        settled: takes every record that is settled; None if nobody asks for that.
        rejects: decides whether a reject ends the run.
        waiting: the records that wait, in batches and in line.
        dispatcher: delivers them.
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
        self._connection = connection = ConnectionSettings.from_config(config)
        self._rejects_file = RejectsFile(settings.rejects_path) if settings.rejects_path else None
        self.client = make_client(connection)
        self.counters = RunCounters()
        self.settled = self._settled_records()
        self.rejects = RejectPolicy(self.counters, self._rejects_file, settings, self.settled)
        self._shutdown = shutdown
        self._began_at = time.monotonic()
        self._ended = False
        self._self_pipe = SelfPipe()
        shutdown.on_request(self.client.stop)
        shutdown.on_request(self._self_pipe.set)
        self._workers = Workers(connection.max_concurrent_calls, "marketo")
        self.descriptions = Descriptions(
            self.client, self._call, lookup_field=settings.lead_lookup_field
        )
        self.attribution = Attribution()
        self._dry_run = DryRun(self.client, settings, describe=self.descriptions.of)
        ledger = Ledger()
        self.waiting = WaitingRecords(
            ledger,
            merges=settings.merges,
            max_batch_records=limits.max_batch_records,
            max_held_bytes=limits.max_held_bytes,
        )
        calls = CallsInFlight(
            self._workers, self._self_pipe, max_calls=connection.max_concurrent_calls
        )
        states = self._state_release(ledger, limits)
        self.dispatcher = Dispatcher(
            waiting=self.waiting,
            calls=calls,
            deliver=self._dry_run.deliver if settings.dry_run else self._batch_writer().deliver,
            states=states,
            settlement=self._settlement(calls, states, limits),
            leads=self._lead_lookup(calls, states),
            shutdown=shutdown,
            progress=ProgressLog(
                lambda seconds: self.counters.progress(self.client.counts, seconds),
                clock=time.monotonic,
                interval_seconds=limits.progress_seconds,
            ),
            clock=time.monotonic,
        )

    def _settlement(
        self, calls: CallsInFlight, states: StateRelease, limits: RunLimits
    ) -> Settlement:
        return Settlement(
            self.waiting,
            states,
            OutcomeRecorder(self.counters, self.rejects, self.settled),
            self.rejects,
            OverdueRoles(
                self.waiting.parked_roles,
                calls,
                states,
                self.client,
                clock=time.monotonic,
                patience_seconds=limits.state_patience_seconds,
            ),
            history=OpportunityHistory() if self.settings.writes_roles else None,
            attribution=self.attribution if self.settings.writes_roles else None,
        )

    def _lead_lookup(self, calls: CallsInFlight, states: StateRelease) -> LeadLookup | None:
        field = self.settings.lead_lookup_field
        if field is None:
            return None
        self.counters.leads = LeadCounts(field)
        return LeadLookup(
            LeadQuery(self.client, field),
            KnownLeads(self.settings.lead_lookup_many),
            waiting=self.waiting,
            calls=calls,
            states=states,
            rejects=self.rejects,
            counts=self.counters.leads,
        )

    def _batch_writer(self) -> BatchWriter:
        return BatchWriter(
            self.client, self.settings, describe=self.descriptions.of, rejects=self.rejects
        )

    def _state_release(self, ledger: Ledger, limits: RunLimits) -> StateRelease:
        writer = StateWriter(self._self_pipe, lambda: self._shutdown.requested)
        return StateRelease(
            ledger,
            writer.write if self.settings.writes_states else None,
            before_write=self._flush_files,
            clock=time.monotonic,
            patience_seconds=limits.state_patience_seconds,
        )

    def _settled_records(self) -> SettledRecords | None:
        receipts_path, diff_path = self.settings.receipts_path, self.settings.diff_path
        if self.settings.dry_run:
            return Diff(diff_path) if diff_path else None
        return Receipts(receipts_path, self.client.server_now) if receipts_path else None

    def _flush_files(self) -> None:
        """Have on disk what is settled, before a STATE passes it."""
        self.rejects.flush()
        if self.settled is not None:
            self.settled.flush()

    def _call(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a call for the main thread, in which a signal could not end it."""
        return self._shutdown.result(self._workers.submit(call, *args, **kwargs))

    def complete(self) -> None:
        """Deliver all records taken; all of the input has been read."""
        self.dispatcher.complete()
        if self.counters.have_come(self.attribution.streams):
            self.attribution.log()
        if self.settings.dry_run:
            self._log_dry_run_cost()
            self.rejects.check_limit()

    def end(self, *, deliver_rest: bool) -> None:
        """Deliver what can be delivered, log the summary, and close everything; once.

        Args:
            deliver_rest: whether records taken before a fault in the input are still delivered.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._wind_down(deliver_rest=deliver_rest)
        finally:
            self._log_summary()
            self.close()

    def _wind_down(self, *, deliver_rest: bool) -> None:
        # What fails now fails after the failure that ended the run, which is the one to report.
        with contextlib.suppress(MarketoError):
            if deliver_rest and not self.dispatcher.has_failed:
                self.dispatcher.finish()
        self.client.stop()
        with contextlib.suppress(MarketoError):
            self.dispatcher.await_in_flight(patience_seconds=_FAILURE_PATIENCE_SECONDS)

    def _log_summary(self) -> None:
        self.counters.short_batches = self.waiting.batches.short_batches
        for line in self.counters.summary_lines():
            _LOGGER.info("%s", line)
        for line in self.counters.causes.lines():
            _LOGGER.warning("%s", line)
        self._log_rejects_path()
        seconds = time.monotonic() - self._began_at
        closing = self.counters.closing_line(self.client.counts, seconds)
        prefix = "Dry run, if Marketo accepts every record: " if self.settings.dry_run else ""
        _LOGGER.info("%s%s", prefix, closing)

    def _log_rejects_path(self) -> None:
        if self._rejects_file is None or not self.counters.rejected:
            return
        # If they are not, closing the file says why.
        with contextlib.suppress(OutputFileError):
            self._rejects_file.flush()
            _LOGGER.info("All rejected records were written to '%s'.", self.settings.rejects_path)

    def _log_dry_run_cost(self) -> None:
        used = self._call(self.client.calls_today)
        limit = self._connection.daily_call_limit
        lookups = self.counters.leads.calls if self.counters.leads else 0
        left = "" if limit is None else f"; daily_call_limit allows {max(0, limit - used):,} more"
        _LOGGER.info(
            "Dry run: nothing was written, and write permission was not checked. A real run would "
            "make about %s calls. All clients of this instance have made %s calls today%s.",
            f"{self._dry_run.calls + self.descriptions.calls + lookups:,}",
            f"{used:,}",
            left,
        )

    def close(self) -> None:
        """Release threads, connections and files; one that fails keeps no other open."""
        with contextlib.ExitStack() as closing:
            for file in (self.settled, self._rejects_file):
                if file is not None:
                    closing.callback(file.close)
            self._workers.close()
            self.client.close()
            self._self_pipe.close()
