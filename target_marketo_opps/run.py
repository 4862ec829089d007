"""The parts of a run, put together."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

from marketo_opps import ConnectionSettings, MarketoClient, MarketoError
from marketo_opps.pacing import PACING_WINDOW_SECONDS
from marketo_opps.plugin.workers import Workers
from target_marketo_opps.delivery.batch_writer import Courier
from target_marketo_opps.delivery.batching import Batcher
from target_marketo_opps.delivery.counters import Tally
from target_marketo_opps.delivery.dispatcher import Dispatcher
from target_marketo_opps.delivery.dry_run import Rehearsal
from target_marketo_opps.delivery.rejects import RejectsFile
from target_marketo_opps.errors import RejectsFileError
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.self_pipe import Wakeup
from target_marketo_opps.state.state_writer import StateWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps import MarketoObject, ObjectDescription
    from marketo_opps.plugin.process import ShutdownSignal
    from target_marketo_opps.settings import TargetSettings

_P = t.ParamSpec("_P")
_T = t.TypeVar("_T")

_LOGGER = logging.getLogger("target-marketo-opps")

_FAILURE_PATIENCE_SECONDS = 75.0
"""After a failure: longer than Marketo's timeout of a write and the margin that is given it."""


class Work:
    """Client, threads, dispatcher and files of one run.

    Args:
        config: the plugin's settings, validated.
        settings: the target's own of them.
        shutdown: tells when the process is asked to end.
        pacing_window_seconds: window that `calls_per_20_seconds` counts in.
    """

    def __init__(
        self,
        config: Mapping[str, t.Any],
        settings: TargetSettings,
        *,
        shutdown: ShutdownSignal,
        pacing_window_seconds: float = PACING_WINDOW_SECONDS,
    ) -> None:
        self._connection = connection = ConnectionSettings.from_config(config)
        self.tally = Tally()
        self._rejects = RejectsFile(settings.rejects_path) if settings.rejects_path else None
        self.client = MarketoClient(connection, pacing_window_seconds=pacing_window_seconds)
        self._settings = settings
        self._shutdown = shutdown
        self._descriptions: dict[MarketoObject, ObjectDescription] = {}
        self._began_at = time.monotonic()
        self._ended = False
        self._wakeup = Wakeup()
        shutdown.on_request(self.client.stop)
        shutdown.on_request(self._wakeup.set)
        ledger = Ledger()
        self.batcher = Batcher(ledger)
        courier = Courier(
            self.client,
            settings,
            describe=self.describe,
            rejected_so_far=lambda: self.tally.rejected,
        )
        self._rehearsal = Rehearsal(self.client, settings, describe=self.describe)
        deliver = self._rehearsal.deliver if settings.dry_run else courier.deliver
        self._workers = Workers(connection.max_concurrent_calls, "marketo")
        self.dispatcher = Dispatcher(
            batcher=self.batcher,
            ledger=ledger,
            deliver=deliver,
            workers=self._workers,
            max_in_flight=connection.max_concurrent_calls,
            write_state=StateWriter(self._wakeup, lambda: shutdown.requested).write,
            tally=self.tally,
            rejects=self._rejects,
            settings=settings,
            wakeup=self._wakeup,
            shutdown=shutdown,
            counts=lambda: self.client.counts,
            clock=time.monotonic,
        )

    def describe(self, obj: MarketoObject) -> ObjectDescription:
        """An object's description, asked for once."""
        if obj not in self._descriptions:
            self._descriptions[obj] = self._result(self.client.describe, obj)
        return self._descriptions[obj]

    def _result(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a call of the main thread's brings: in that thread a signal could not end it."""
        return self._shutdown.result(self._workers.submit(call, *args, **kwargs))

    def complete(self) -> None:
        """Deliver whatever has been taken; all of the input has been read."""
        self.dispatcher.finish()
        if self._settings.dry_run:
            self._say_what_it_would_cost()
            self.dispatcher.check_limit()

    def end(self, *, deliver_rest: bool) -> None:
        """Settle what can be settled, say what was done, and close everything; once.

        Args:
            deliver_rest: whether what was taken before a fault in the input is still delivered.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._settle(deliver_rest=deliver_rest)
        finally:
            self._say_what_was_done()
            self._close()

    def _settle(self, *, deliver_rest: bool) -> None:
        # What fails now fails after the failure that ended the run, which is the one to be told.
        with contextlib.suppress(MarketoError):
            if deliver_rest and not self.dispatcher.has_failed:
                self.dispatcher.finish()
        self.client.stop()
        with contextlib.suppress(MarketoError):
            self.dispatcher.settle_in_flight(patience_seconds=_FAILURE_PATIENCE_SECONDS)

    def _say_what_was_done(self) -> None:
        self.tally.short_batches = self.batcher.short_batches
        for remark in self.tally.remarks():
            _LOGGER.info("%s", remark)
        self._say_where_rejects_are()
        seconds = time.monotonic() - self._began_at
        closing = self.tally.closing(self.client.counts, seconds)
        would_be = "Would be, if Marketo accepts them: " if self._settings.dry_run else ""
        _LOGGER.info("%s%s", would_be, closing)

    def _say_where_rejects_are(self) -> None:
        if self._rejects is None or not self.tally.rejected:
            return
        # Where they are not, closing the file tells why.
        with contextlib.suppress(RejectsFileError):
            self._rejects.flush()
            _LOGGER.info("All rejected records are in '%s'.", self._settings.rejects_path)

    def _say_what_it_would_cost(self) -> None:
        used = self._result(self.client.calls_today)
        limit = self._connection.daily_call_limit
        left = "" if limit is None else f"; daily_call_limit leaves {max(0, limit - used):,}"
        _LOGGER.info(
            "Dry run: nothing was written, and whether this user may write was not tried. The run "
            "would cost about %s calls; %s calls have been used today by all who use the "
            "instance%s.",
            f"{self._rehearsal.calls + len(self._descriptions):,}",
            f"{used:,}",
            left,
        )

    def _close(self) -> None:
        self._workers.close()
        self.client.close()
        self._wakeup.close()
        if self._rejects is not None:
            self._rejects.close()
