"""`limits_path`: the limits of one instance, shared by all processes of this machine."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from marketo_opps.errors import SettingsError
from marketo_opps.limits_file import Limits, LimitsFile, LimitsFileError

if t.TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

# A call reaches Marketo within this time after it was sent, or not at all.
LONGEST_TRAVEL_SECONDS = 0.5

# Waits before asking again. The longest is short, because a call ahead may leave the queue.
_LONGEST_WAIT_SECONDS = 0.5
_WAIT_FOR_CALL_SECONDS = 0.05
_SECONDS_BETWEEN_CHECKS = 0.25

# A waiting call is ignored if its process, which may be suspended, has not asked for this long.
_STALLED_SECONDS = 2.0
# Older calls and probes in flight are ignored: their processes could not record their end.
_LONGEST_CALL_SECONDS = 600.0
_LONGEST_PROBE_SECONDS = 60.0


@dataclass
class SharedCall:
    """A call that waits for a slot in the shared limits, or has one.

    Attributes:
        since: monotonic seconds at which it began to wait; the call that waits longest goes first.
        ask_at: monotonic seconds before which no slot can become free.
        waiting_id: its id among the waiting calls, if it is one.
        call_id: its id among the calls, once it has a slot.
        probed_pause: number of the pause whose end it probes, if any.
    """

    since: float
    ask_at: float = 0.0
    waiting_id: int | None = None
    call_id: int | None = None
    probed_pause: int | None = None


class SharedLimits:
    """Counts the calls of all processes that use one file, and decides when a call may be sent.

    A call may be sent if there is no pause, and if the calls in flight, those in the window, and
    all calls that have waited longer leave room for it, within the limits of its own process and
    of the processes that wait. A process's slots are released when it ends, even if it is killed.
    Times are those of the machine's monotonic clock, which all its processes share.

    Not thread-safe. Every method may raise `LimitsFileError`.

    Args:
        path: path of the file, which is created if it does not exist and may serve several
            instances.
        host: host of the instance.
        calls_per_20_seconds: maximum number of calls of all processes in any window.
        max_concurrent_calls: maximum number of calls in flight of all processes.
        window_seconds: length of a window.
        clock: returns monotonic seconds, the same in all processes.

    Raises:
        SettingsError: the file cannot be opened, locked or written, or belongs to another program.
    """

    def __init__(
        self,
        path: str,
        host: str,
        *,
        calls_per_20_seconds: int,
        max_concurrent_calls: int,
        window_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._limits = Limits(calls_per_20_seconds, max_concurrent_calls)
        self._window_seconds = window_seconds
        self._clock = clock
        try:
            self._file = LimitsFile(path, host, self._limits)
            with self._file.change():
                self._register()
        except LimitsFileError as error:
            raise SettingsError(
                f"Invalid value for setting 'limits_path': {path!r} cannot be used ({error}). It "
                "must name a file on a local disk (not on a network file system), in a folder that "
                "exists, which this user may write to. If the file is damaged, remove it."
            ) from None

    def take(self, call: SharedCall) -> float:
        """Take a slot for the call if one is free; otherwise put the call into the queue.

        Returns:
            0 if the call may be sent now; otherwise the number of seconds after which to ask
            again.
        """
        now = self._clock()
        if now < call.ask_at:
            return call.ask_at - now
        with self._file.change():
            seconds = self._seconds_until_free(call, now)
            if seconds > 0:
                call.waiting_id = self._file.queue(call.waiting_id, call.since, now)
            else:
                self._send(call, now)
        call.ask_at = now + seconds
        return seconds

    def leave_queue(self, call: SharedCall) -> None:
        """Remove a waiting call from the queue."""
        if call.waiting_id is not None:
            with self._file.change():
                self._file.dequeue(call.waiting_id)

    def give_back(self, call: SharedCall, arrived_at: float) -> None:
        """Release the slot of a call that has ended.

        Args:
            call: a call with a slot.
            arrived_at: monotonic seconds at which it reached Marketo at the latest.
        """
        if call.call_id is not None:
            with self._file.change():
                self._file.end_call(call.call_id, arrived_at)

    def pause(self, seconds: float) -> None:
        """Keep all processes from starting calls for this time; then allow a single call first."""
        with self._file.change():
            self._file.begin_pause(self._clock() + seconds)

    def report_outcome(self, call: SharedCall) -> None:
        """End the pause that the call has probed, unless another one has begun since."""
        if call.probed_pause is not None:
            with self._file.change():
                self._file.end_pause(call.probed_pause)

    def close(self) -> None:
        """Remove this process from the file, and close the file."""
        try:
            with self._file.change():
                self._file.remove_process()
        finally:
            self._file.close()

    def _register(self) -> None:
        self._file.remove_ended_processes(arrived_after=LONGEST_TRAVEL_SECONDS)
        others = self._file.limits_of_processes()
        for pid in [pid for pid, limits in others.items() if limits != self._limits][:1]:
            _LOGGER.warning(
                "limits_path: process %d uses calls_per_20_seconds %d and max_concurrent_calls "
                "%d on this instance, this process %d and %d. Use the same values in all "
                "processes: one with lower limits delays the others while it waits.",
                pid,
                *others[pid],
                *self._limits,
            )
        self._file.add_process()

    def _seconds_until_free(self, call: SharedCall, now: float) -> float:
        seconds = self._seconds_by_rows(call, now)
        # One process checks for all, because it asks the operating system about each process.
        if (
            seconds > 0
            and self._file.claim_check(now, _SECONDS_BETWEEN_CHECKS)
            and self._file.remove_ended_processes(arrived_after=LONGEST_TRAVEL_SECONDS)
        ):
            seconds = self._seconds_by_rows(call, now)
        return min(seconds, _LONGEST_WAIT_SECONDS)

    def _seconds_by_rows(self, call: SharedCall, now: float) -> float:
        pause = self._file.pause()
        if now < pause.until:
            return pause.until - now
        ahead, theirs = self._file.ahead(
            call.waiting_id, call.since, seen_after=now - _STALLED_SECONDS
        )
        # Calls in flight and calls that have waited longer may arrive at any moment.
        taken = ahead + self._file.count_in_flight(sent_after=now - _LONGEST_CALL_SECONDS)
        at_once = min(self._limits.max_concurrent_calls, theirs.max_concurrent_calls)
        if taken >= at_once or (pause.is_probing and ahead):
            return _WAIT_FOR_CALL_SECONDS * (1 + ahead)
        if pause.is_probing and now < (pause.probed_at or 0.0) + _LONGEST_PROBE_SECONDS:
            return _WAIT_FOR_CALL_SECONDS
        per_window = min(self._limits.calls_per_20_seconds, theirs.calls_per_20_seconds)
        return self._seconds_in_window(per_window - taken, now)

    def _seconds_in_window(self, room: int, now: float) -> float:
        """Return the wait until fewer than `room` calls have arrived in the window."""
        if room <= 0:
            return _LONGEST_WAIT_SECONDS
        arrived_at = self._file.newest_arrival_but(room - 1)
        return 0.0 if arrived_at is None else max(0.0, arrived_at + self._window_seconds - now)

    def _send(self, call: SharedCall, now: float) -> None:
        if call.waiting_id is not None:
            self._file.dequeue(call.waiting_id)
        self._file.remove_calls_before(now - self._window_seconds)
        call.call_id = self._file.add_call(now)
        call.probed_pause = self._file.begin_probe(now)
