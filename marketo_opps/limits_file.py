"""The SQLite file of `limits_path`: calls, waiting calls, pauses and processes of each instance."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t

from marketo_opps.limits_database import open_limits_database
from marketo_opps.process_identity import ProcessIdentity

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_BEHIND_ALL = 1 << 62


class LimitsFileError(Exception):
    """The file cannot be opened, locked, read or written, or is another program's."""


class Limits(t.NamedTuple):
    """Limits of a process: calls in any window, and calls in flight."""

    calls_per_20_seconds: int
    max_concurrent_calls: int


class Ahead(t.NamedTuple):
    """The calls that wait longer than another: their number, and the lowest of their limits."""

    number: int
    limits: Limits


class Pause(t.NamedTuple):
    """What the file holds on the last pause of an instance.

    Attributes:
        until: monotonic seconds at which it ends.
        is_probing: True until a single call, the probe, has had a response that asks for no pause.
        probed_at: monotonic seconds at which the probe was sent; None if it was not.
    """

    until: float
    is_probing: bool
    probed_at: float | None


class LimitsFile:
    """The rows of one instance and one process in a file that other processes use, too.

    All methods but `close` are called within `change`. Rows are kept by SQLite's transactions, so
    that neither a killed process nor a full disk leaves half a change. Rows from before the
    machine's last start are removed when the file is opened: its monotonic clock began anew.

    Args:
        path: on a local disk; the file is created if it does not exist.
        host: the instance.
        limits: of this process.

    Raises:
        LimitsFileError: the file cannot be used, or the operating system does not tell one start of
            the machine from another.
    """

    def __init__(self, path: str, host: str, limits: Limits) -> None:
        self._host = host
        self._limits = limits
        self._process = ProcessIdentity.current()
        try:
            self._database = open_limits_database(path)
        except (sqlite3.Error, OSError) as error:
            raise LimitsFileError(str(error)) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Run a block while no other process changes the file, and write all or nothing of it.

        Raises:
            LimitsFileError: the file cannot be locked, read or written.
        """
        try:
            with self._database:
                self._execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise LimitsFileError(str(error)) from None

    # Processes

    def add_process(self) -> None:
        """Add this process."""
        self._execute("INSERT OR IGNORE INTO instances (host) VALUES (?)", self._host)
        self._execute(
            "INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?, ?)",
            self._host,
            *self._process,
            *self._limits,
        )

    def limits_of_processes(self) -> dict[int, Limits]:
        """Return the limits of each process by its number."""
        rows = self._execute(
            "SELECT pid, calls_per_20_seconds, max_concurrent_calls FROM processes WHERE host = ?",
            self._host,
        )
        return {pid: Limits(*limits) for pid, *limits in rows}

    def remove_process(self) -> None:
        """Remove this process."""
        self._remove(self._process, arrived_after=0.0)

    def claim_check(self, now: float, seconds_between: float) -> bool:
        """Return whether no process has claimed this for so long; if so, claim it."""
        claim = self._execute(
            "UPDATE instances SET processes_checked_at = ? "
            "WHERE host = ? AND processes_checked_at <= ?",
            now,
            self._host,
            now - seconds_between,
        )
        return claim.rowcount > 0

    def remove_ended_processes(self, *, arrived_after: float) -> bool:
        """Remove all processes that no longer run, and free what they held.

        Args:
            arrived_after: seconds from being sent to arriving, for their calls in flight.

        Returns:
            True if there was any.
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
            self._execute(f"DELETE FROM {table} {of_process}", *row)  # noqa: S608 - names of ours
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
        """Add a waiting call, or note that it still waits; return its id."""
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
        """Remove a waiting call."""
        self._execute("DELETE FROM waiting WHERE id = ?", waiting_id)

    def ahead(self, waiting_id: int | None, since: float, *, seen_after: float) -> Ahead:
        """Return how many calls wait longer, of processes that noted it lately, and their limits.

        Args:
            waiting_id: the row of the call that asks, if it has one.
            since: when that call began to wait.
            seen_after: monotonic seconds before which "lately" ends.
        """
        row = self._execute(
            "SELECT count(*), min(calls_per_20_seconds), min(max_concurrent_calls) FROM waiting "
            "WHERE host = ? AND (since, id) < (?, ?) AND seen_at > ?",
            self._host,
            since,
            _BEHIND_ALL if waiting_id is None else waiting_id,
            seen_after,
        ).fetchone()
        return Ahead(row[0], Limits(*row[1:]) if row[0] else self._limits)

    # Calls

    def add_call(self, now: float) -> int:
        """Add a call in flight, and return its id."""
        cursor = self._execute(
            "INSERT INTO calls VALUES (NULL, ?, ?, ?, ?, NULL)", self._host, *self._process, now
        )
        return int(cursor.lastrowid or 0)

    def end_call(self, call_id: int, arrived_at: float) -> None:
        """Note that a call is in flight no more, and when it arrived at the latest."""
        self._execute("UPDATE calls SET arrived_at = ? WHERE id = ?", arrived_at, call_id)

    def remove_calls_before(self, arrived_at: float) -> None:
        """Remove calls that arrived by then."""
        self._execute(
            "DELETE FROM calls WHERE host = ? AND arrived_at <= ?", self._host, arrived_at
        )

    def count_in_flight(self, *, sent_after: float) -> int:
        """Return the number of calls in flight, without those sent before."""
        row = self._execute(
            "SELECT count(*) FROM calls WHERE host = ? AND arrived_at IS NULL AND sent_at > ?",
            self._host,
            sent_after,
        ).fetchone()
        return int(row[0])

    def newest_arrival_but(self, newer: int) -> float | None:
        """Return when the newest call but so many arrived; None if there are no more."""
        row = self._execute(
            "SELECT arrived_at FROM calls WHERE host = ? AND arrived_at IS NOT NULL "
            "ORDER BY arrived_at DESC LIMIT 1 OFFSET ?",
            self._host,
            newer,
        ).fetchone()
        return row[0] if row else None

    # Pauses

    def pause(self) -> Pause:
        """Return the last pause; one that is over if there was none."""
        row = self._execute(
            "SELECT paused_until, is_probing, probed_at FROM instances WHERE host = ?", self._host
        ).fetchone()
        return Pause(*row)

    def begin_pause(self, until: float) -> None:
        """Begin a pause, which no call under way can end."""
        self._execute(
            "UPDATE instances SET pauses = pauses + 1, paused_until = max(paused_until, ?), "
            "is_probing = 1, probed_at = NULL WHERE host = ?",
            until,
            self._host,
        )

    def begin_probe(self, now: float) -> int | None:
        """Note that this process sends the probe, and return the pause's number; None if over."""
        cursor = self._execute(
            "UPDATE instances SET probe_pid = ?, probe_started = ?, probed_at = ? "
            "WHERE host = ? AND is_probing RETURNING pauses",
            *self._process,
            now,
            self._host,
        )
        row = cursor.fetchone()
        return row[0] if row else None

    def end_pause(self, number: int) -> None:
        """End a pause, unless another has begun since."""
        self._execute(
            "UPDATE instances SET is_probing = 0 WHERE host = ? AND pauses = ?", self._host, number
        )

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(statement, values)
