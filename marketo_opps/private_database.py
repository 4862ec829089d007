"""A database of this process alone: in memory up to a limit, then in a temporary file."""

from __future__ import annotations

import sqlite3

CACHE_BYTES = 64_000_000


def private_database(schema: str, *, cache_bytes: int = CACHE_BYTES) -> sqlite3.Connection:
    """Return a new database, which is gone with the process.

    A database without a name is SQLite's private one: it stays in memory up to the size of its
    cache.

    Args:
        schema: the statements that make its tables.
        cache_bytes: how much memory it may take.
    """
    # Whoever uses it from several threads sees to it that they take turns.
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size={-cache_bytes // 1024}"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(schema)
    return database
