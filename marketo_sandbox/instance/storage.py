"""Records, leads and activity log in SQLite: in a file, or in a temporary database."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# An empty name is a temporary database: it lives in memory and spills to disk when it grows.
SCRATCH = ""
CACHE_KIB = 65_536

_TABLE = """
CREATE TABLE IF NOT EXISTS {name} (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  guid TEXT NOT NULL, key TEXT NOT NULL, parent TEXT, lead INTEGER,
  body TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
);
"""
_KEYS = """
CREATE INDEX IF NOT EXISTS {name}_guid ON {name} (guid);
CREATE INDEX IF NOT EXISTS {name}_key ON {name} (key);
"""
_SCHEMA = (
    "".join(_TABLE.format(name=name) for name in ("opportunity", "role", "lead"))
    + "".join(_KEYS.format(name=name) for name in ("opportunity", "role"))
    + """
CREATE INDEX IF NOT EXISTS role_parent ON role (parent);
CREATE INDEX IF NOT EXISTS role_lead ON role (lead);
CREATE TABLE IF NOT EXISTS static_list (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS list_member (list INTEGER, lead INTEGER, PRIMARY KEY (list, lead));
CREATE TABLE IF NOT EXISTS activity (
  id INTEGER PRIMARY KEY AUTOINCREMENT, date INTEGER NOT NULL, visible REAL NOT NULL,
  lead INTEGER NOT NULL, type INTEGER NOT NULL, asset INTEGER, label TEXT, attributes TEXT
);
CREATE INDEX IF NOT EXISTS activity_date ON activity (date, id);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
)
_COLUMNS = "id, guid, key, parent, lead, body, created, updated"
TABLES = ("opportunity", "role", "lead", "static_list", "list_member", "activity")


class Row(NamedTuple):
    """A stored record: its keys, and its body as JSON."""

    id: int
    guid: str
    key: str
    parent: str | None
    lead: int | None
    body: str
    created: int
    updated: int


class StaticList(NamedTuple):
    """A static list, without its members."""

    id: int
    name: str
    created: int


class Storage:
    """Store and find rows; what they mean is not known here.

    Args:
        path: a file, or ``SCRATCH``.
    """

    def __init__(self, path: str) -> None:
        # One lock of the instance guards every use, whatever thread it comes from.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A kill of the process loses nothing with this; only a power cut could.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if path != SCRATCH:
            self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)
        self._search_indexes: set[str] = set()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one transaction."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Delete every record, lead and activity."""
        for table in TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
        self._db.execute("DELETE FROM sqlite_sequence")

    def meta(self, name: str) -> str | None:
        """Return a value kept beside the records, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Keep a value beside the records."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def keep_meta(self, name: str, given: str | None, default: str) -> str:
        """Return the given value, else the one kept, else the default; it is kept from now on."""
        value = given or self.meta(name) or default
        self.set_meta(name, value)
        return value

    def next_id(self, table: str) -> int:
        """Return the id after every id ever given."""
        sql = "SELECT seq FROM sqlite_sequence WHERE name = ?"
        row = self._db.execute(sql, (table,)).fetchone()
        return 1 if row is None else int(row[0]) + 1

    def count(self, table: str) -> int:
        """Return the number of rows in a table."""
        sql = f"SELECT COUNT(*) FROM {table}"  # noqa: S608 - a name of our own
        return int(self._db.execute(sql).fetchone()[0])

    def insert(
        self, table: str, rows: Iterable[Row], *, known: Literal["ABORT", "IGNORE"] = "ABORT"
    ) -> None:
        """Insert records with their ids.

        Args:
            table: the object's table.
            rows: the records.
            known: "ABORT" to fail on an id that exists, "IGNORE" to keep that record as it is.
        """
        sql = f"INSERT OR {known} INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a name of our own
        self._db.executemany(sql, rows)

    def update(self, table: str, row: Row) -> None:
        """Update a record's body and date."""
        sql = f"UPDATE {table} SET body = ?, updated = ? WHERE id = ?"  # noqa: S608 - a name of our own
        self._db.execute(sql, (row.body, row.updated, row.id))

    def delete(self, table: str, ids: Iterable[int]) -> None:
        """Delete records by id."""
        sql = f"DELETE FROM {table} WHERE id = ?"  # noqa: S608 - a name of our own
        self._db.executemany(sql, [(each,) for each in ids])

    def find(
        self, table: str, column: str, values: Sequence[Any], after: int = 0, limit: int = -1
    ) -> list[Row]:
        """Return records whose column has one of the values, in order of their ids.

        Args:
            table: the object's table.
            column: a column, or an expression from ``search_expression``.
            values: the values to find.
            after: an id; only greater ones are returned.
            limit: at most so many; -1 for all.
        """
        marks = ",".join("?" * len(values))
        # The plus keeps SQLite from walking the table by id instead of using the column's index.
        sql = (
            f"SELECT {_COLUMNS} FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - names of our own
            " AND +id > ? ORDER BY +id LIMIT ?"
        )
        cursor = self._db.execute(sql, (*values, after, limit))
        return [Row._make(row) for row in cursor]

    def search_expression(self, table: str, field: str) -> str:
        """Return an SQL expression for a field of the body, with its index created on first use."""
        expression = f"CAST(json_extract(body, '$.\"{field}\"') AS TEXT) COLLATE NOCASE"
        name = f"{table}_by_{field}"
        if name not in self._search_indexes:
            self._db.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON {table} ({expression})')
            self._search_indexes.add(name)
        return expression

    def scan(
        self, table: str, after: int = 0, limit: int = -1, *, offset: int = 0
    ) -> Iterator[Row]:
        """Return records in order of their ids, those past ``after``, skipping ``offset``."""
        sql = f"SELECT {_COLUMNS} FROM {table} WHERE id > ? ORDER BY id LIMIT ? OFFSET ?"  # noqa: S608 - a name of our own
        return (Row._make(row) for row in self._db.execute(sql, (after, limit, offset)))

    def existing_leads(self, ids: Sequence[int]) -> set[int]:
        """Return those of the ids whose leads exist."""
        marks = ",".join("?" * len(ids))
        sql = f"SELECT id FROM lead WHERE id IN ({marks})"  # noqa: S608 - question marks
        return {int(row[0]) for row in self._db.execute(sql, list(ids))}

    def remove_leads(self, ids: Iterable[int]) -> None:
        """Remove leads, from static lists too."""
        removed = [(each,) for each in ids]
        self._db.executemany("DELETE FROM lead WHERE id = ?", removed)
        self._db.executemany("DELETE FROM list_member WHERE lead = ?", removed)

    def add_list_members(self, list_id: int, leads: Iterable[int]) -> None:
        """Add leads to a static list."""
        rows = [(list_id, lead) for lead in leads]
        self._db.executemany("INSERT OR IGNORE INTO list_member VALUES (?, ?)", rows)

    def remove_list_member(self, list_id: int, lead: int) -> None:
        """Remove a lead from a static list."""
        self._db.execute("DELETE FROM list_member WHERE list = ? AND lead = ?", (list_id, lead))

    def move_list_members(self, leads: Iterable[int], kept: int) -> None:
        """Put a lead on all the static lists that others are on."""
        sql = "INSERT OR IGNORE INTO list_member SELECT list, ? FROM list_member WHERE lead = ?"
        self._db.executemany(sql, [(kept, lead) for lead in leads])

    def add_static_list(self, each: StaticList) -> None:
        """Add a static list, ignoring one that exists."""
        self._db.execute("INSERT OR IGNORE INTO static_list VALUES (?, ?, ?)", each)

    def static_lists(self, after: int = 0, limit: int = -1) -> list[StaticList]:
        """Return static lists in order of their ids, those past ``after``."""
        sql = "SELECT id, name, created FROM static_list WHERE id > ? ORDER BY id LIMIT ?"
        return [StaticList._make(row) for row in self._db.execute(sql, (after, limit))]

    def members(self, list_id: int, after: int, limit: int) -> list[Row]:
        """Return leads on a static list in order of their ids, those past ``after``."""
        sql = (
            f"SELECT {_COLUMNS} FROM lead WHERE id > ? AND id IN"  # noqa: S608 - names of our own
            " (SELECT lead FROM list_member WHERE list = ?) ORDER BY id LIMIT ?"
        )
        return [Row._make(row) for row in self._db.execute(sql, (after, list_id, limit))]

    def list_members(self, list_ids: Sequence[int]) -> set[int]:
        """Return the leads that are members of one of the static lists."""
        marks = ",".join("?" * len(list_ids))
        sql = f"SELECT lead FROM list_member WHERE list IN ({marks})"  # noqa: S608 - question marks
        return {int(row[0]) for row in self._db.execute(sql, list(list_ids))}

    def lead_ids(self) -> list[int]:
        """Return the ids of all leads."""
        return [int(row[0]) for row in self._db.execute("SELECT id FROM lead ORDER BY id")]

    def add_activities(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add activities: date, visible, lead, type, asset, label, attributes."""
        sql = (
            "INSERT INTO activity (date, visible, lead, type, asset, label, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        self._db.executemany(sql, rows)

    def activities(
        self, position: tuple[int, int], visible: float, limit: int
    ) -> list[tuple[Any, ...]]:
        """Return the visible activities past a date and id, in order."""
        sql = (
            "SELECT id, date, lead, type, asset, label, attributes FROM activity"
            " WHERE (date, id) > (?, ?) AND visible <= ? ORDER BY date, id LIMIT ?"
        )
        return self._db.execute(sql, (*position, visible, limit)).fetchall()
