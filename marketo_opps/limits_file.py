"""Reads and writes the file of `limits_path`: calls, queued calls, pauses and processes."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t

from marketo_opps import limits_database
from marketo_opps.process_identity import ProcessIdentity

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_BEHIND_ALL = 1 << 62


class LimitsFileError(Exception):
    """The file of the setting `limits_path` cannot be opened, locked, read or written."""


class Limits(t.NamedTuple):
    """Rate limit (calls in 20 seconds) and concurrency limit (calls in flight) of one process."""

    calls_per_20_seconds: int
    max_concurrent_calls: int


class Situation(t.NamedTuple):
    """What decides if a waiting call may be sent: pauses, calls in flight, and queued calls.

    Attributes:
        paused_until: monotonic seconds at which the last pause of all calls ends.
        is_probing: True from the start of a pause until the response to a single call, the probe.
        probed_at: monotonic seconds at which the probe was sent; None if it was not.
        in_flight: number of calls in flight.
        ahead: number of queued calls that have waited longer than this call.
        limits_ahead: lowest limits of those calls' processes; this process's if `ahead` is 0.
    """

    paused_until: float
    is_probing: bool
    probed_at: float | None
    in_flight: int
    ahead: int
    limits_ahead: Limits


class LimitsFile:
    """The SQLite file by which processes share the limits of an instance, opened by one of them.

    Methods must be called within `change`, or within `one_change` if they write by one statement.
    Both are SQLite transactions: neither a killed process nor a full disk leaves half a change.

    Args:
        path: path of the file, on a local disk; it is created if it does not exist.
        host: host of the instance.
        limits: limits of this process.

    Raises:
        LimitsFileError: the file cannot be used; also raised within `change` and `one_change`.
    """

    def __init__(self, path: str, host: str, limits: Limits) -> None:
        self._host = host
        self._limits = limits
        self._process = ProcessIdentity.current()
        try:
            self._database = limits_database.open_limits_database(path)
        except (sqlite3.Error, OSError, ValueError) as error:  # the last for a NUL in the path
            raise LimitsFileError(str(error)) from None

    def close(self) -> None:
        """Close the connection to the SQLite file."""
        self._database.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Run the `with` block as one transaction, in which no other process can write the file."""
        with self.one_change(), self._database:
            self._execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def one_change(self) -> Iterator[None]:
        """Run a `with` block with one SQL statement; turn its error into a `LimitsFileError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise LimitsFileError(str(error)) from None

    def situation(
        self, waiting_id: int | None, since: float, *, sent_after: float, seen_after: float
    ) -> Situation:
        """Return the pauses, calls in flight and queued calls that decide if a call may be sent.

        Args:
            waiting_id: the call's id in the queue; None if it is not in the queue.
            since: monotonic seconds at which the call began to wait.
            sent_after: calls in flight that were sent before this time are not counted.
            seen_after: queued calls whose process asked last before this time are not counted.
        """
        row = self._database.execute(
            limits_database.SITUATION,
            self._values(
                sent_after=sent_after,
                seen_after=seen_after,
                since=since,
                id=_BEHIND_ALL if waiting_id is None else waiting_id,
            ),
        ).fetchone()
        paused_until, is_probing, probed_at, in_flight, ahead, *limits = row
        limits_ahead = Limits(*limits) if ahead else self._limits
        return Situation(paused_until, is_probing, probed_at, in_flight, ahead, limits_ahead)

    # Processes

    def add_process(self) -> None:
        """Record in the file that this process runs, and what its limits are."""
        self._execute("INSERT OR IGNORE INTO instances (host) VALUES (?)", self._host)
        self._execute(
            "INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?, ?)",
            self._host,
            *self._process,
            *self._limits,
        )

    def limits_of_processes(self) -> dict[int, Limits]:
        """Return the limits of each process that the file lists for the instance, by process ID."""
        rows = self._execute(
            "SELECT pid, calls_per_20_seconds, max_concurrent_calls FROM processes WHERE host = ?",
            self._host,
        )
        return {pid: Limits(*limits) for pid, *limits in rows}

    def remove_process(self, *, arrived_after: float) -> None:
        """Delete this process as `remove_ended_processes` deletes ended ones."""
        self._remove(self._process, arrived_after)

    def claim_check(self, now: float, seconds_between: float) -> bool:
        """Return True and record `now` if no process has looked for ended processes recently.

        Args:
            now: monotonic seconds.
            seconds_between: minimum number of seconds between two of these checks.
        """
        claim = self._execute(
            "UPDATE instances SET processes_checked_at = ? "
            "WHERE host = ? AND processes_checked_at <= ?",
            now,
            self._host,
            now - seconds_between,
        )
        return claim.rowcount > 0

    def remove_ended_processes(self, *, arrived_after: float) -> bool:
        """Delete ended processes and their queued calls from the file; return True if any ended.

        Args:
            arrived_after: their calls in flight end, as of so many seconds after they were sent.
        """
        rows = self._execute("SELECT pid, started FROM processes WHERE host = ?", self._host)
        processes = [ProcessIdentity(*row) for row in rows.fetchall()]
        ended = [process for process in processes if not process.is_running()]
        for process in ended:
            self._remove(process, arrived_after)
        return bool(ended)

    def _remove(self, process: ProcessIdentity, arrived_after: float) -> None:
        row = (self._host, *process)
        of_process = "WHERE host = ? AND pid = ? AND started = ?"
        for table in ("processes", "waiting"):
            self._execute(f"DELETE FROM {table} {of_process}", *row)  # noqa: S608 - constants
        self._execute(
            f"UPDATE calls SET arrived_at = sent_at + ? {of_process} "  # noqa: S608
            "AND arrived_at IS NULL",
            arrived_after,
            *row,
        )
        self._execute(
            "UPDATE instances SET probed_at = NULL "
            "WHERE host = ? AND probe_pid = ? AND probe_started = ?",
            *row,
        )

    # Waiting calls

    def queue(self, waiting_id: int | None, since: float, now: float) -> int:
        """Queue a call that has waited from `since`, or renew its entry; return the entry's id."""
        cursor = self._execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            waiting_id,
            self._host,
            *self._process,
            since,
            now,
            *self._limits,
        )
        return int(cursor.lastrowid or 0)

    def dequeue(self, waiting_id: int) -> None:
        """Delete a call from the queue, given the id of its entry."""
        self._execute("DELETE FROM waiting WHERE id = ?", waiting_id)

    # Calls

    def add_call_at_once(
        self, now: float, *, arrived_after: float, sent_after: float, seen_after: float
    ) -> int | None:
        """Record a call as in flight if limits allow it and there is no pause or queued call.

        Args:
            now: monotonic seconds.
            arrived_after: calls that reached Marketo before this time are not counted.
            sent_after: calls in flight that were sent before this time are not counted.
            seen_after: queued calls whose process asked last before this time are not counted.

        Returns:
            The id of the call; None if it was not added.
        """
        cursor = self._database.execute(
            limits_database.ADD_CALL_IF_FREE,
            self._values(
                now=now,
                in_window=self._limits.calls_per_20_seconds,
                in_flight=self._limits.max_concurrent_calls,
                arrived_after=arrived_after,
                sent_after=sent_after,
                seen_after=seen_after,
            ),
        )
        return cursor.lastrowid if cursor.rowcount > 0 else None

    def add_call(self, now: float) -> int:
        """Record a call as in flight without checking limits; return its id, a serial number."""
        cursor = self._execute(
            "INSERT INTO calls VALUES (NULL, ?, ?, ?, ?, NULL)", self._host, *self._process, now
        )
        return int(cursor.lastrowid or 0)

    def end_call(self, call_id: int, arrived_at: float) -> None:
        """Record that a call ended, and the latest time at which it may have reached Marketo."""
        self._execute("UPDATE calls SET arrived_at = ? WHERE id = ?", arrived_at, call_id)

    def remove_calls_before(self, arrived_at: float) -> None:
        """Delete calls from the file that reached Marketo at this time (monotonic) or earlier."""
        self._execute(
            "DELETE FROM calls WHERE host = ? AND arrived_at <= ?", self._host, arrived_at
        )

    def newest_arrival_but(self, newer: int) -> float | None:
        """Return when one of the last calls reached Marketo; None if the file has fewer calls.

        Args:
            newer: number of calls that reached Marketo after that call; 0 for the very last.
        """
        row = self._execute(
            "SELECT arrived_at FROM calls WHERE host = ? AND arrived_at IS NOT NULL "
            "ORDER BY arrived_at DESC LIMIT 1 OFFSET ?",
            self._host,
            newer,
        ).fetchone()
        return row[0] if row else None

    # Pauses

    def begin_pause(self, until: float) -> None:
        """Begin a pause: until a time in monotonic seconds, no process sends a call.

        Then one call, the probe, is sent to end the pause; calls in flight now do not end it.
        """
        self._execute(
            "UPDATE instances SET pauses = pauses + 1, paused_until = max(paused_until, ?), "
            "is_probing = 1, probed_at = NULL WHERE host = ?",
            until,
            self._host,
        )

    def begin_probe(self, now: float) -> int:
        """Record that this process sends the probe of a pause now; return the pause's number."""
        cursor = self._execute(
            "UPDATE instances SET probe_pid = ?, probe_started = ?, probed_at = ? "
            "WHERE host = ? RETURNING pauses",
            *self._process,
            now,
            self._host,
        )
        return int(cursor.fetchone()[0])

    def end_pause(self, number: int) -> None:
        """End the pause with this number for all processes, but no pause that began after it."""
        self._execute(
            "UPDATE instances SET is_probing = 0 WHERE host = ? AND pauses = ?", self._host, number
        )

    def _values(self, **values: object) -> dict[str, object]:
        return {"host": self._host, **self._process._asdict(), **values}

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(statement, values)
