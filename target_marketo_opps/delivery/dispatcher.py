"""The main thread's side of delivery: batches out, verdicts in, STATE on its way."""

from __future__ import annotations

import logging
import typing as t
from collections import Counter, deque

from marketo_opps import StoppedError, decode_record
from target_marketo_opps.delivery.batching import Batch, Batcher
from target_marketo_opps.delivery.counters import shown_key
from target_marketo_opps.delivery.outcomes import Fate
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from marketo_opps import CallCounts
    from marketo_opps.plugin.process import ShutdownSignal
    from marketo_opps.plugin.workers import Workers
    from target_marketo_opps.delivery.batching import Outgoing
    from target_marketo_opps.delivery.counters import Tally
    from target_marketo_opps.delivery.outcomes import Delivery, Verdict
    from target_marketo_opps.delivery.rejects import RejectsFile
    from target_marketo_opps.settings import TargetSettings
    from target_marketo_opps.state.ledger import Ledger
    from target_marketo_opps.state.self_pipe import Wakeup

_LOGGER = logging.getLogger("target-marketo-opps")

STATE_PATIENCE_SECONDS = 300.0
"""How long a batch that a STATE waits for may stay open."""

PROGRESS_SECONDS = 10.0

_MAX_WAITING_RECORDS = 10_000
_MAX_WAITING_BYTES = 20_000_000


class Dispatcher:
    """Owns what the objects share: batches, keys in flight, ledger. Lives on the main thread.

    Args:
        batcher: fills the batches.
        ledger: knows which STATE may go out.
        deliver: brings a batch to Marketo; runs on `workers`.
        workers: as many threads as there may be calls.
        max_in_flight: batches that may be in delivery at a time.
        write_state: writes one STATE.
        tally: counts.
        rejects: takes rejected records, or None.
        settings: the target's settings.
        wakeup: ends the main thread's wait when a call is done.
        shutdown: tells when the process is asked to end.
        counts: the client's calls so far.
        clock: seconds, by a steady clock.
    """

    def __init__(
        self,
        *,
        batcher: Batcher,
        ledger: Ledger,
        deliver: Callable[[Batch], Delivery],
        workers: Workers,
        max_in_flight: int,
        write_state: Callable[[t.Any], None],
        tally: Tally,
        rejects: RejectsFile | None,
        settings: TargetSettings,
        wakeup: Wakeup,
        shutdown: ShutdownSignal,
        counts: Callable[[], CallCounts],
        clock: Callable[[], float],
    ) -> None:
        self.batcher = batcher
        self._ledger = ledger
        self._deliver = deliver
        self._workers = workers
        self._max_in_flight = max_in_flight
        self._write_state = write_state
        self._tally = tally
        self._rejects = rejects
        self._settings = settings
        self._wakeup = wakeup
        self._shutdown = shutdown
        self._counts = counts
        self._clock = clock
        self._began_at = clock()
        self._told_at = self._began_at
        self._in_flight = 0
        self._has_failed = False
        self._last_reject: Reject | None = None
        self._done: deque[Future[Delivery]] = deque()

    # Called by the sinks and the target

    def take(self, record: Outgoing) -> None:
        """Take a record; returns when there is room for more."""
        batcher = self.batcher
        batcher.add(record)
        if batcher.closed or batcher.waiting_records:
            self._make_room()

    def reject(self, stream: str, key: str, reject: Reject) -> None:
        """Take a record that is rejected here or by Marketo.

        Raises:
            RejectLimitError: it is one too many.
        """
        self._tally.reject(stream, key, reject.reasons)
        if self._rejects is not None:
            self._rejects.write(reject)
        self._last_reject = reject
        # A dry run is there to find them all; it fails at its end.
        if not self._settings.dry_run:
            self.check_limit()

    def check_limit(self) -> None:
        """See that no more records have been rejected than may be.

        Raises:
            RejectLimitError: there have.
        """
        if self._last_reject and self._settings.exceeded_by(self._tally.rejected):
            raise RejectLimitError(self._limit_sentence(self._last_reject))

    def checkpoint(self, value: t.Any) -> None:
        """Take a STATE."""
        self._ledger.state(value, now=self._clock())
        self._release()

    def before_read(self, descriptor: int | None) -> None:
        """Do what there is to do until the input can be read.

        Raises:
            StoppedError: the process is asked to end.
        """
        while True:
            self._tend()
            if descriptor is None:
                return
            if self._wakeup.wait(readable=[descriptor], timeout_seconds=self._patience_seconds()):
                return

    def finish(self) -> None:
        """Deliver whatever has been taken; then nothing is open, waiting or in flight."""
        while True:
            self.batcher.close_all()
            self._send_closed()
            if not self._in_flight:
                break
            self._await_one()
        self._release()

    def settle_in_flight(self, *, patience_seconds: float) -> None:
        """Wait for calls in flight, and release what they settle; for the end of a failed run.

        The first failure is the one that is told: further ones are passed over here.

        Raises:
            StoppedError: the process was asked to end, and its time is up.
        """
        deadline = self._clock() + patience_seconds
        while self._in_flight and self._clock() < deadline:
            self._shutdown.raise_if_out_of_time()
            if self._done:
                self._settle_quietly(self._done.popleft())
            else:
                self._wakeup.wait(timeout_seconds=0.2)

    @property
    def has_failed(self) -> bool:
        """Whether a delivery has failed, so that no more should be tried."""
        return self._has_failed

    # In between

    def _tend(self) -> None:
        self._check_shutdown()
        self._settle_done()
        self._close_overdue()
        self._send_closed()
        self._tell_progress()

    def _make_room(self) -> None:
        """Send what is closed; wait while it cannot be sent, or while too much waits."""
        self._send_closed()
        while self.batcher.closed or self._is_crowded():
            if not self._in_flight:
                self.batcher.close_fullest()
                self._send_closed()
            self._await_one()
            self._send_closed()

    def _is_crowded(self) -> bool:
        batcher = self.batcher
        return (
            batcher.waiting_records > _MAX_WAITING_RECORDS
            or batcher.waiting_bytes > _MAX_WAITING_BYTES
        )

    def _await_one(self) -> None:
        """Wait until a call is done, and settle what is."""
        while not self._done:
            self._wakeup.wait(timeout_seconds=self._patience_seconds())
            self._check_shutdown()
            self._tell_progress()
        self._settle_done()

    def _send_closed(self) -> None:
        closed = self.batcher.closed
        while closed and self._in_flight < self._max_in_flight:
            self._in_flight += 1
            future = self._workers.submit(self._deliver, closed.popleft())
            future.add_done_callback(self._note_done)

    def _note_done(self, future: Future[Delivery]) -> None:
        """Runs on the worker."""
        self._done.append(future)
        self._wakeup.set()

    def _settle_done(self) -> None:
        while self._done:
            self._settle(self._done.popleft())

    def _settle(self, future: Future[Delivery]) -> None:
        """Take in what became of a batch.

        Raises:
            MarketoError: what ended its delivery, once what it did achieve is counted.
        """
        self._in_flight -= 1
        had_failed, self._has_failed = self._has_failed, True
        delivery = future.result()
        self._tally.note_ambiguity(delivery)
        over_limit = self._count(delivery)
        failure = delivery.failure or over_limit
        if failure is not None:
            raise failure
        assert delivery.is_settled
        self._has_failed = had_failed
        self.batcher.settle(delivery.batch)
        self._ledger.settle(delivery.batch)
        self._release()

    def _settle_quietly(self, future: Future[Delivery]) -> None:
        try:
            self._settle(future)
        except Exception as error:  # noqa: BLE001 - the first failure is the one that is told
            _LOGGER.debug("Another call in flight failed too: %s", type(error).__name__)

    def _count(self, delivery: Delivery) -> RejectLimitError | None:
        """Count the verdicts; the error is for the caller to raise once all are counted."""
        streams = [record.stream for record in delivery.batch.records]
        for (stream, verdict), count in Counter(
            zip(streams, delivery.verdicts, strict=True),
        ).items():
            if verdict is not None and verdict.fate is not Fate.REJECTED:
                self._tally.count(stream, verdict.fate, count)
        return self._count_rejects(delivery) if delivery.rejected else None

    def _count_rejects(self, delivery: Delivery) -> RejectLimitError | None:
        over_limit: RejectLimitError | None = None
        for record, verdict in zip(delivery.batch.records, delivery.verdicts, strict=True):
            if verdict is None or verdict.fate is not Fate.REJECTED:
                continue
            try:
                self.reject(record.stream, _shown_key(record), _reject(record, verdict))
            except RejectLimitError as error:
                over_limit = over_limit or error
        return over_limit

    def _release(self) -> None:
        """Let out every STATE that waits for nothing any longer."""
        if self._settings.dry_run or not self._ledger.has_due:
            return
        if self._rejects is not None:
            self._rejects.flush()
        for value in self._ledger.due():
            self._write_state(value)

    def _close_overdue(self) -> None:
        overdue = self._ledger.overdue(arrived_until=self._clock() - STATE_PATIENCE_SECONDS)
        for token in overdue:
            if isinstance(token, Batch) and token.is_open:
                self.batcher.close(token)

    def _patience_seconds(self) -> float:
        """Until something is due although nothing happens."""
        now = self._clock()
        until = self._told_at + PROGRESS_SECONDS
        oldest = self._ledger.oldest_arrived_at
        if oldest is not None and oldest + STATE_PATIENCE_SECONDS > now:
            until = min(until, oldest + STATE_PATIENCE_SECONDS)
        return max(0.05, until - now)

    def _tell_progress(self) -> None:
        now = self._clock()
        if now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            _LOGGER.info("%s", self._tally.progress(self._counts(), now - self._began_at))

    def _check_shutdown(self) -> None:
        if self._shutdown.requested:
            raise StoppedError("Stopped on request; the next run goes on from the last STATE.")

    def _limit_sentence(self, reject: Reject) -> str:
        last = reject.reasons[0] if reject.reasons else "no reason given"
        quoted = f", requestId {reject.request_id}" if reject.request_id else ""
        return (
            f"Rejected records: {self._tally.rejected:,}, and max_rejects is "
            f"{self._settings.max_rejects:,}; the last reason: {last}{quoted}. Correct the "
            "records, or raise max_rejects (-1: no limit) and set rejects_path to keep them."
        )


def _reject(record: Outgoing, verdict: Verdict) -> Reject:
    return Reject(
        stream=record.source_stream,
        obj=record.lane.obj,
        record=record.source,
        reasons=tuple(verdict.reasons),
        request_id=verdict.request_id,
    )


def _shown_key(record: Outgoing) -> str:
    """The record's key as it was sent, for the closing message."""
    sent = decode_record(record.body)
    return shown_key(sent[field] for field in record.lane.key_fields)
