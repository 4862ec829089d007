"""Remember what leads hold: the last million of them, in bounded memory."""

from __future__ import annotations

import logging
import sqlite3
import typing as t

from marketo_opps.private_database import private_database

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_LOGGER = logging.getLogger("tap-marketo-opps")

CAPACITY = 1_000_000
CACHE_BYTES = 32_000_000

_SCHEMA = "CREATE TABLE leads (id INTEGER PRIMARY KEY, held BLOB NOT NULL)"


class KnownLeads:
    """What leads hold, by id, in the two newest of private databases.

    Each takes as many leads as are to be remembered at least; when the newer one is full, the older
    is given up. Both hold 64 MB in memory, and what is more in temporary files.

    Args:
        capacity: How many leads are remembered at least.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._newest = self._older = _database()
        self._count = 0
        self._has_failed = False

    def find(self, ids: Collection[int]) -> dict[int, bytes]:
        """Return what is known of these leads."""
        try:
            found = dict(_select(self._newest, ids))
            if len(found) < len(ids) and self._older is not self._newest:
                found |= _select(self._older, ids)
        except sqlite3.Error as error:
            self._forget(error)
            return {}
        return found

    def add(self, held: Mapping[int, bytes]) -> None:
        """Remember what leads hold."""
        try:
            if self._count >= self._capacity:
                self._start_anew()
            self._newest.execute("BEGIN")
            self._newest.executemany("INSERT OR REPLACE INTO leads VALUES (?, ?)", held.items())
            self._newest.execute("COMMIT")
            self._count += len(held)
        except sqlite3.Error as error:
            self._forget(error)

    def _start_anew(self) -> None:
        if self._older is not self._newest:
            self._older.close()
        self._newest, self._older = _database(), self._newest
        self._count = 0

    def _forget(self, error: sqlite3.Error) -> None:
        """Go on without what is known, which a full disk keeps from being written or read."""
        if not self._has_failed:
            _LOGGER.warning(
                "The cache of leads cannot be used any more (%s: %s), so some leads are looked up "
                "again: free space on the disk of temporary files.",
                type(error).__name__,
                error,
            )
        self._has_failed = True
        self._newest = self._older = _database()
        self._count = 0


def _database() -> sqlite3.Connection:
    return private_database(_SCHEMA, cache_bytes=CACHE_BYTES)


def _select(database: sqlite3.Connection, ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    marks = ",".join("?" * len(ids))
    query = f"SELECT id, held FROM leads WHERE id IN ({marks})"  # noqa: S608 - question marks
    return database.execute(query, [*ids])
