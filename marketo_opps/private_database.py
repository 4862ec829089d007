"""A database of this process only: in memory up to a limit, then in a temporary file."""

from __future__ import annotations

import sqlite3

CACHE_BYTES = 64_000_000


class _PrivateDatabase(sqlite3.Connection):
    """A connection that closes itself, and so deletes its database, when it is collected."""

    def __del__(self) -> None:
        self.close()


def private_database(schema: str, *, cache_bytes: int = CACHE_BYTES) -> sqlite3.Connection:
    """Return a new SQLite database, which is deleted when nothing refers to it any more.

    A database without a name is private to its connection, and stays in memory up to the size of
    its cache.

    Args:
        schema: SQL statements that create its tables.
        cache_bytes: maximum memory.
    """
    # Callers that use it from several threads must use a lock.
    database = sqlite3.connect(
        "", isolation_level=None, check_same_thread=False, factory=_PrivateDatabase
    )
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size={-cache_bytes // 1024}"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(schema)
    return database
