"""Rate and concurrency limits that processes of one machine share by a file (`limits_path`)."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from marketo_opps.errors import SettingsError
from marketo_opps.limits_file import Limits, LimitsFile, LimitsFileError

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps.settings import ConnectionSettings

_LOGGER = logging.getLogger(__name__)

# A call reaches Marketo within this time after it was sent, or not at all.
LONGEST_TRAVEL_SECONDS = 1.0

# Waits before asking again. The longest is short, because a call ahead may leave the queue.
_LONGEST_WAIT_SECONDS = 0.5
_WAIT_FOR_CALL_SECONDS = 0.05
_SECONDS_BETWEEN_CHECKS = 0.25
_CALLS_BETWEEN_REMOVALS = 50

# A waiting call is ignored if its process, which may be suspended, has not asked for this long.
_STALLED_SECONDS = 2.0
# Older calls and probes in flight are ignored: their processes could not record their end.
_LONGEST_CALL_SECONDS = 600.0
_LONGEST_PROBE_SECONDS = 60.0


@dataclass
class SharedCall:
    """A call of this process that waits for a slot in the limits shared by processes, or has one.

    Attributes:
        since: monotonic seconds at which it began to wait; whoever waits longest goes first.
        ask_at: monotonic seconds before which no slot can be expected.
        waiting_id: id of its entry in the queue; None if it was never queued.
        call_id: id of its entry among the calls in flight; None before it has a slot.
        is_probe: True if it is the single call after a pause that probes the limit.
        probed_pause: number of that pause; None if the call is not a probe or has no slot.
    """

    since: float
    ask_at: float = 0.0
    waiting_id: int | None = None
    call_id: int | None = None
    is_probe: bool = False
    probed_pause: int | None = None


class SharedLimits:
    """Limits that the processes of a machine share by one file; decides when a call may be sent.

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
            self._join()
        except LimitsFileError as error:
            raise SettingsError(
                f"Invalid value for setting 'limits_path': {path!r} cannot be used ({error}). It "
                "must name a file on a local disk (not on a network file system), in a folder that "
                "exists, which this user may write to. If the file is damaged, remove it."
            ) from None

    def take(self, call: SharedCall) -> float:
        """Record a call as in flight if the shared limits allow it; otherwise put it in the queue.

        Returns:
            0 if the call may be sent now; otherwise the number of seconds after which to ask
            again.
        """
        now = self._clock()
        if now < call.ask_at:
            return call.ask_at - now
        if call.waiting_id is None and self._send_at_once(call, now):
            return 0.0
        with self._file.change():
            seconds = self._seconds_until_free(call, now)
            if seconds > 0:
                call.waiting_id = self._file.queue(call.waiting_id, call.since, now)
            else:
                self._send(call, now)
        call.ask_at = now + seconds
        return seconds

    def leave_queue(self, call: SharedCall) -> None:
        """Delete a waiting call from the queue, because its thread no longer wants to send it."""
        if call.waiting_id is not None:
            with self._file.one_change():
                self._file.dequeue(call.waiting_id)

    def give_back(self, call: SharedCall, arrived_at: float) -> None:
        """Record that a call has ended: it is no longer in flight, but counts in the rate limit.

        Args:
            call: a call with a slot.
            arrived_at: monotonic seconds at which it reached Marketo at the latest.
        """
        if call.call_id is not None:
            with self._file.one_change():
                self._file.end_call(call.call_id, arrived_at)

    def pause(self, seconds: float) -> None:
        """Delay the calls of all processes for `seconds`; then allow a single call, the probe."""
        with self._file.one_change():
            self._file.begin_pause(self._clock() + seconds)

    def report_outcome(self, call: SharedCall) -> None:
        """End the pause of all processes if a call was the probe of this pause.

        A pause that began after the call was sent goes on.
        """
        if call.probed_pause is not None:
            with self._file.one_change():
                self._file.end_pause(call.probed_pause)

    def close(self) -> None:
        """Delete this process and its waiting calls from the shared file, and close the file."""
        try:
            with self._file.change():
                self._file.remove_process(arrived_after=LONGEST_TRAVEL_SECONDS)
        finally:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the shared file without a change to it, which may have become impossible."""
        self._file.close()

    def _join(self) -> None:
        try:
            with self._file.change():
                self._register()
        except LimitsFileError:
            self.disconnect()
            raise

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

    def _send_at_once(self, call: SharedCall, now: float) -> bool:
        with self._file.one_change():
            call.call_id = self._file.add_call_at_once(
                now,
                arrived_after=now - self._window_seconds,
                sent_after=now - _LONGEST_CALL_SECONDS,
                seen_after=now - _STALLED_SECONDS,
            )
            self._remove_old_calls(call, now)
        return call.call_id is not None

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
        found = self._file.situation(
            call.waiting_id,
            call.since,
            sent_after=now - _LONGEST_CALL_SECONDS,
            seen_after=now - _STALLED_SECONDS,
        )
        call.is_probe = found.is_probing
        if now < found.paused_until:
            return found.paused_until - now
        # Calls in flight may arrive at any moment, and so may those that wait longer.
        taken = found.in_flight + found.ahead
        calls, at_once = map(min, self._limits, found.limits_ahead)
        if taken >= at_once or (found.is_probing and found.ahead):
            return _WAIT_FOR_CALL_SECONDS * (1 + found.ahead)
        if found.is_probing and now < (found.probed_at or 0.0) + _LONGEST_PROBE_SECONDS:
            return _WAIT_FOR_CALL_SECONDS
        return self._seconds_in_window(calls - taken, now)

    def _seconds_in_window(self, room: int, now: float) -> float:
        """Return the seconds until the window of the rate limit has fewer than `room` calls.

        Return 0 if it has fewer now, and the longest wait if `room` is not positive.
        """
        if room <= 0:
            return _LONGEST_WAIT_SECONDS
        arrived_at = self._file.newest_arrival_but(room - 1)
        return 0.0 if arrived_at is None else max(0.0, arrived_at + self._window_seconds - now)

    def _send(self, call: SharedCall, now: float) -> None:
        if call.waiting_id is not None:
            self._file.dequeue(call.waiting_id)
        call.call_id = self._file.add_call(now)
        if call.is_probe:
            call.probed_pause = self._file.begin_probe(now)
        self._remove_old_calls(call, now)

    def _remove_old_calls(self, call: SharedCall, now: float) -> None:
        if call.call_id is not None and call.call_id % _CALLS_BETWEEN_REMOVALS == 0:
            self._file.remove_calls_before(now - self._window_seconds)


def open_shared_limits(
    settings: ConnectionSettings, window_seconds: float, clock: Callable[[], float]
) -> SharedLimits | None:
    """Open the file that the setting `limits_path` names, by which processes share rate limits.

    Args:
        settings: the connection settings.
        window_seconds: length of the window of the rate limit.
        clock: returns monotonic seconds, the same in all processes.

    Returns:
        The shared limits; None if the setting is absent.

    Raises:
        SettingsError: the file cannot be used.
    """
    if settings.limits_path is None:
        return None
    return SharedLimits(
        settings.limits_path,
        settings.host,
        calls_per_20_seconds=settings.calls_per_20_seconds,
        max_concurrent_calls=settings.max_concurrent_calls,
        window_seconds=window_seconds,
        clock=clock,
    )
