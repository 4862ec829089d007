"""A cache of lead field values: at least the last million leads, in bounded memory."""

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
    """A cache of the fields of leads by lead ID, kept in two temporary databases.

    New leads go into the newer database until it holds `capacity` leads; then it becomes the older
    one, and the former older one is deleted. Both together use 64 MB of memory, and temporary files
    for the rest.

    Args:
        capacity: Minimum number of leads that the cache holds.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._newest = self._older = _database()
        self._count = 0
        self._has_failed = False

    def find(self, ids: Collection[int]) -> dict[int, bytes]:
        """Return the encoded fields of leads by lead ID, for those given leads that are cached.

        Args:
            ids: IDs of the leads to find.
        """
        try:
            found = dict(_select(self._newest, ids))
            if len(found) < len(ids) and self._older is not self._newest:
                found |= _select(self._older, ids)
        except sqlite3.Error as error:
            self._forget(error)
            return {}
        return found

    def add(self, held: Mapping[int, bytes]) -> None:
        """Add leads to the cache.

        Args:
            held: Encoded fields of the leads by lead ID.
        """
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
        self._newest, self._older = _database(), self._newest
        self._count = 0

    def _forget(self, error: sqlite3.Error) -> None:
        """Empty the cache after an error, such as a full disk; log a warning at the first error."""
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
