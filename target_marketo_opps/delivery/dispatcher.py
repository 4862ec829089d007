"""The main thread's side of delivery: send batches, collect their results, write STATE."""

from __future__ import annotations

import logging
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import StoppedError
from target_marketo_opps.delivery.batching import Batch, Batcher

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from marketo_opps.plugin.process import ShutdownSignal
    from marketo_opps.plugin.workers import Workers
    from target_marketo_opps.delivery.batching import OutboundRecord
    from target_marketo_opps.delivery.outcome_recorder import OutcomeRecorder
    from target_marketo_opps.delivery.outcomes import BatchResult
    from target_marketo_opps.state.ledger import Ledger
    from target_marketo_opps.state.self_pipe import SelfPipe

_LOGGER = logging.getLogger("target-marketo-opps")


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """Limits of what may wait, and for how long.

    Attributes:
        state_patience_seconds: how long a batch that a STATE waits for may stay open.
        progress_seconds: between two progress lines.
        max_waiting_records: records that wait for another of their key to be delivered.
        max_waiting_bytes: of these records' bodies.
    """

    state_patience_seconds: float = 300.0
    progress_seconds: float = 10.0
    max_waiting_records: int = 10_000
    max_waiting_bytes: int = 20_000_000


DEFAULT_LIMITS = DispatchLimits()


class Dispatcher:
    """Owns what the objects share: batches, keys in flight, ledger. Lives on the main thread.

    Args:
        batcher: fills the batches.
        ledger: knows which STATE may be written.
        deliver: sends a batch to Marketo; runs on `workers`.
        workers: as many threads as there may be calls.
        max_in_flight: batches that may be in delivery at a time.
        write_state: writes one STATE; None in a dry run, which writes none.
        recorder: accounts for outcomes.
        self_pipe: ends the main thread's wait when a call is done.
        shutdown: knows whether the process is asked to end.
        progress: returns a progress line, given the seconds since the start.
        clock: returns seconds, by a steady clock.
        limits: of what may wait.
    """

    def __init__(
        self,
        *,
        batcher: Batcher,
        ledger: Ledger,
        deliver: Callable[[Batch], BatchResult],
        workers: Workers,
        max_in_flight: int,
        write_state: Callable[[t.Any], None] | None,
        recorder: OutcomeRecorder,
        self_pipe: SelfPipe,
        shutdown: ShutdownSignal,
        progress: Callable[[float], str],
        clock: Callable[[], float],
        limits: DispatchLimits = DEFAULT_LIMITS,
    ) -> None:
        self._batcher = batcher
        self._ledger = ledger
        self._deliver = deliver
        self._workers = workers
        self._max_in_flight = max_in_flight
        self._write_state = write_state
        self._recorder = recorder
        self._self_pipe = self_pipe
        self._shutdown = shutdown
        self._progress = progress
        self._clock = clock
        self._limits = limits
        self._began_at = clock()
        self._progress_logged_at = self._began_at
        self._in_flight = 0
        self._has_failed = False
        self._done: deque[Future[BatchResult]] = deque()

    # Called by the sinks and the target

    def take(self, record: OutboundRecord) -> None:
        """Take a record; return when there is room for another."""
        batcher = self._batcher
        batcher.add(record)
        if batcher.closed or batcher.waiting_records:
            self._wait_for_capacity()

    def checkpoint(self, value: t.Any) -> None:
        """Take a STATE."""
        self._ledger.state(value, now=self._clock())
        self._write_due_states()

    def before_read(self, descriptor: int | None) -> None:
        """Do the work that is due until the input can be read.

        Raises:
            StoppedError: the process is asked to end.
        """
        while True:
            self._do_due_work()
            if descriptor is None:
                return
            seconds = self._seconds_until_due()
            if self._self_pipe.wait(readable=[descriptor], timeout_seconds=seconds):
                return

    def finish(self) -> None:
        """Deliver all records taken; afterwards nothing is open, waiting or in flight."""
        while True:
            self._batcher.close_all()
            self._send_closed()
            if not self._in_flight:
                break
            self._await_one()
        self._write_due_states()

    def await_in_flight(self, *, patience_seconds: float) -> None:
        """Wait for calls in flight and record their results; for the end of a failed run.

        Only the first failure of a run is reported, so further ones are dropped here.

        Raises:
            StoppedError: the process was asked to end, and its time is up.
        """
        deadline = self._clock() + patience_seconds
        while self._in_flight and self._clock() < deadline:
            self._shutdown.raise_if_out_of_time()
            if self._done:
                self._take_result_quietly(self._done.popleft())
            else:
                self._self_pipe.wait(timeout_seconds=0.2)

    @property
    def has_failed(self) -> bool:
        """Return whether a delivery has failed, so that no more should be tried."""
        return self._has_failed

    # In between

    def _do_due_work(self) -> None:
        self._check_shutdown()
        self._take_results()
        self._close_overdue()
        self._send_closed()
        self._log_progress()

    def _wait_for_capacity(self) -> None:
        """Send closed batches; wait while that is not possible or too many records wait."""
        self._send_closed()
        while self._batcher.closed or self._is_crowded():
            if not self._in_flight:
                self._batcher.close_fullest()
                self._send_closed()
            self._await_one()
            self._send_closed()

    def _is_crowded(self) -> bool:
        return (
            self._batcher.waiting_records > self._limits.max_waiting_records
            or self._batcher.waiting_bytes > self._limits.max_waiting_bytes
        )

    def _await_one(self) -> None:
        """Wait until a call is done, and record the results of all that are."""
        while not self._done:
            self._self_pipe.wait(timeout_seconds=self._seconds_until_due())
            self._check_shutdown()
            self._log_progress()
        self._take_results()

    def _send_closed(self) -> None:
        closed = self._batcher.closed
        while closed and self._in_flight < self._max_in_flight:
            self._in_flight += 1
            future = self._workers.submit(self._deliver, closed.popleft())
            future.add_done_callback(self._on_call_done)

    def _on_call_done(self, future: Future[BatchResult]) -> None:
        """Runs on the worker."""
        self._done.append(future)
        self._self_pipe.set()

    def _take_results(self) -> None:
        while self._done:
            self._take_result(self._done.popleft())

    def _take_result(self, future: Future[BatchResult]) -> None:
        """Record the result of a batch.

        Raises:
            MarketoError: the error that ended its delivery, once its outcomes are counted.
        """
        self._in_flight -= 1
        had_failed, self._has_failed = self._has_failed, True
        result = future.result()
        over_limit = self._recorder.record(result)
        failure = result.failure or over_limit
        if failure is not None:
            raise failure
        assert result.is_complete
        self._has_failed = had_failed
        self._batcher.release(result.batch)
        self._ledger.settle(result.batch)
        self._write_due_states()

    def _take_result_quietly(self, future: Future[BatchResult]) -> None:
        try:
            self._take_result(future)
        except Exception as error:  # noqa: BLE001 - the first failure is the one that is reported
            _LOGGER.debug("Another call in flight failed too: %s", type(error).__name__)

    def _write_due_states(self) -> None:
        """Write every STATE that waits for nothing any longer."""
        if self._write_state is None or not self._ledger.has_due:
            return
        self._recorder.flush()
        for value in self._ledger.due():
            self._write_state(value)

    def _close_overdue(self) -> None:
        arrived_until = self._clock() - self._limits.state_patience_seconds
        for token in self._ledger.overdue(arrived_until=arrived_until):
            if isinstance(token, Batch) and token.is_open:
                self._batcher.close(token)

    def _seconds_until_due(self) -> float:
        """Return the seconds until something is due even if nothing happens."""
        now = self._clock()
        until = self._progress_logged_at + self._limits.progress_seconds
        oldest = self._ledger.oldest_arrived_at
        if oldest is not None and oldest + self._limits.state_patience_seconds > now:
            until = min(until, oldest + self._limits.state_patience_seconds)
        return max(0.05, until - now)

    def _log_progress(self) -> None:
        now = self._clock()
        if now - self._progress_logged_at >= self._limits.progress_seconds:
            self._progress_logged_at = now
            _LOGGER.info("%s", self._progress(now - self._began_at))

    def _check_shutdown(self) -> None:
        if self._shutdown.requested:
            raise StoppedError("Stopped on request; the next run goes on from the last STATE.")
