"""The parts of a run, put together."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

from marketo_opps import ConnectionSettings, MarketoClient, MarketoError, Workers
from target_marketo_opps.batching import Batcher
from target_marketo_opps.courier import Courier
from target_marketo_opps.dispatch import Dispatcher
from target_marketo_opps.ledger import Ledger
from target_marketo_opps.rejects import RejectsFile
from target_marketo_opps.states import StateWriter
from target_marketo_opps.tally import Tally
from target_marketo_opps.wakeup import Wakeup

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps import MarketoObject, ObjectDescription
    from marketo_opps.process import Termination
    from target_marketo_opps.settings import TargetSettings

_LOGGER = logging.getLogger("target-marketo-opps")

_FAILURE_PATIENCE_SECONDS = 75.0
"""After a failure: longer than Marketo's timeout of a write and the margin that is given it."""


class Work:
    """Client, threads, dispatcher and files of one run.

    Args:
        config: the plugin's settings, validated.
        settings: the target's own of them.
        describe: tells an object's description.
        termination: tells when the process is asked to end.
    """

    def __init__(
        self,
        config: Mapping[str, t.Any],
        settings: TargetSettings,
        *,
        describe: Callable[[MarketoObject], ObjectDescription],
        termination: Termination,
    ) -> None:
        connection = ConnectionSettings.from_config(config)
        self.tally = Tally()
        self._rejects = RejectsFile(settings.rejects_path) if settings.rejects_path else None
        self.client = MarketoClient(connection)
        self._settings = settings
        self._began_at = time.monotonic()
        self._ended = False
        self._wakeup = Wakeup()
        termination.on_request(self.client.stop)
        termination.on_request(self._wakeup.set)
        ledger = Ledger()
        self.batcher = Batcher(ledger)
        courier = Courier(
            self.client,
            settings,
            describe=describe,
            rejected_so_far=lambda: self.tally.rejected,
        )
        self._workers = Workers(connection.max_concurrent_calls, "marketo")
        self.dispatcher = Dispatcher(
            batcher=self.batcher,
            ledger=ledger,
            deliver=courier.deliver,
            workers=self._workers,
            max_in_flight=connection.max_concurrent_calls,
            write_state=StateWriter(self._wakeup, lambda: termination.requested).write,
            tally=self.tally,
            rejects=self._rejects,
            settings=settings,
            wakeup=self._wakeup,
            termination=termination,
            counts=lambda: self.client.counts,
            clock=time.monotonic,
        )

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
        seconds = time.monotonic() - self._began_at
        _LOGGER.info("%s", self.tally.closing(self.client.counts, seconds))

    def _close(self) -> None:
        self._workers.close()
        self.client.close()
        if self._rejects is not None:
            self._rejects.close()
