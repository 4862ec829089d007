"""The SQLite file of `limits_path`: calls, waiting calls, pauses and processes of each instance."""

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
    """The file cannot be opened, locked, read or written, or belongs to another program."""


class Limits(t.NamedTuple):
    """Limits of a process: the number of calls in a window, and of calls in flight."""

    calls_per_20_seconds: int
    max_concurrent_calls: int


class Situation(t.NamedTuple):
    """What decides whether a call may be sent, besides the calls that have arrived.

    Attributes:
        paused_until: monotonic seconds at which the last pause ends.
        is_probing: True until a single call, the probe, has had a response that asks for no pause.
        probed_at: monotonic seconds at which the probe was sent; None if it was not.
        in_flight: number of calls in flight.
        ahead: number of calls that have waited longer.
        limits_ahead: the lowest limits of those, or of this process where there are none.
    """

    paused_until: float
    is_probing: bool
    probed_at: float | None
    in_flight: int
    ahead: int
    limits_ahead: Limits


class LimitsFile:
    """The rows of one process and one instance in a file that several processes share.

    Methods must be called within `change`, or within `one_change` if they write by one statement.
    Both are SQLite transactions, so that neither a killed process nor a full disk leaves half a
    change. When the file is opened, rows from before the machine's last start are removed, because
    their times are of another clock.

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
        except (sqlite3.Error, OSError) as error:
            raise LimitsFileError(str(error)) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Run a block as one transaction: no other process changes the file meanwhile."""
        with self.one_change(), self._database:
            self._execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def one_change(self) -> Iterator[None]:
        """Run a block that writes by a single statement, which costs less than `change`."""
        try:
            yield
        except sqlite3.Error as error:
            raise LimitsFileError(str(error)) from None

    def situation(
        self, waiting_id: int | None, since: float, *, sent_after: float, seen_after: float
    ) -> Situation:
        """Return what decides whether a call may be sent, in one statement.

        Args:
            waiting_id: the call's row among the waiting ones, if it has one.
            since: monotonic seconds at which it began to wait.
            sent_after: calls in flight that were sent before are not counted.
            seen_after: waiting calls whose process was not heard of since are not counted.
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
        """Add this process and its limits."""
        self._execute("INSERT OR IGNORE INTO instances (host) VALUES (?)", self._host)
        self._execute(
            "INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?, ?)",
            self._host,
            *self._process,
            *self._limits,
        )

    def limits_of_processes(self) -> dict[int, Limits]:
        """Return the limits of each process by its process ID."""
        rows = self._execute(
            "SELECT pid, calls_per_20_seconds, max_concurrent_calls FROM processes WHERE host = ?",
            self._host,
        )
        return {pid: Limits(*limits) for pid, *limits in rows}

    def remove_process(self) -> None:
        """Remove this process and its calls."""
        self._remove(self._process, arrived_after=0.0)

    def claim_check(self, now: float, seconds_between: float) -> bool:
        """Claim the check for ended processes; return False if another process did so recently.

        Args:
            now: monotonic seconds.
            seconds_between: minimum time between two claims.
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
        """Remove processes that no longer run, release their slots, and return if there were any.

        Args:
            arrived_after: time after which their calls in flight count as arrived, in seconds.
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
        """Add a waiting call, or record that it still waits; return its id."""
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

    # Calls

    def add_call_at_once(
        self, now: float, *, arrived_after: float, sent_after: float, seen_after: float
    ) -> int | None:
        """Add a call in flight if there is no pause, no waiting call, and room within the limits.

        Args:
            now: monotonic seconds.
            arrived_after: calls that arrived before are not counted.
            sent_after: as of `situation`.
            seen_after: as of `situation`.

        Returns:
            The call's id; None if `situation` has to be looked at.
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
        """Add a call in flight, and return its id; ids count up."""
        cursor = self._execute(
            "INSERT INTO calls VALUES (NULL, ?, ?, ?, ?, NULL)", self._host, *self._process, now
        )
        return int(cursor.lastrowid or 0)

    def end_call(self, call_id: int, arrived_at: float) -> None:
        """Record that a call is no longer in flight, and when it has arrived at the latest."""
        self._execute("UPDATE calls SET arrived_at = ? WHERE id = ?", arrived_at, call_id)

    def remove_calls_before(self, arrived_at: float) -> None:
        """Remove calls that arrived by this time."""
        self._execute(
            "DELETE FROM calls WHERE host = ? AND arrived_at <= ?", self._host, arrived_at
        )

    def newest_arrival_but(self, newer: int) -> float | None:
        """Return when a call arrived, the newest one being number 0; None if there is no such call.

        Args:
            newer: number of the call, which is that of newer calls.
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
        """Begin a pause, which no call that is already in flight can end."""
        self._execute(
            "UPDATE instances SET pauses = pauses + 1, paused_until = max(paused_until, ?), "
            "is_probing = 1, probed_at = NULL WHERE host = ?",
            until,
            self._host,
        )

    def begin_probe(self, now: float) -> int:
        """Note that this process sends the probe, and return the number of the pause."""
        cursor = self._execute(
            "UPDATE instances SET probe_pid = ?, probe_started = ?, probed_at = ? "
            "WHERE host = ? RETURNING pauses",
            *self._process,
            now,
            self._host,
        )
        return int(cursor.fetchone()[0])

    def end_pause(self, number: int) -> None:
        """End a pause, unless another one has begun since."""
        self._execute(
            "UPDATE instances SET is_probing = 0 WHERE host = ? AND pauses = ?", self._host, number
        )

    def _values(self, **values: object) -> dict[str, object]:
        return {"host": self._host, **self._process._asdict(), **values}

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(statement, values)
