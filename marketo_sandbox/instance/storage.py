"""Storage of records, leads and activities in SQLite: in a file or in a temporary database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# SQLite opens a temporary database for an empty name: in memory, on disk once it grows.
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
    """A stored opportunity, role or lead: one row of its table.

    Attributes:
        id: number of the record in its table; for a lead, the lead id.
        guid: marketoGUID, or "" for a lead.
        key: normalized dedupe key (see ``Keys``), or "" for a lead.
        parent: normalized dedupe key of a role's opportunity; None for other records.
        lead: id of a role's lead; None for other records.
        body: field values as JSON.
        created: creation date in seconds since 1970.
        updated: date of the last update in seconds since 1970.
    """

    id: int
    guid: str
    key: str
    parent: str | None
    lead: int | None
    body: str
    created: int
    updated: int


class StaticList(NamedTuple):
    """A static list without its members: its id, name and creation date (seconds since 1970)."""

    id: int
    name: str
    created: int


class Storage:
    """Store records, leads, static lists and activities in SQLite, and find them again.

    Args:
        path: path of the SQLite file, or ``SCRATCH`` for a temporary database.
    """

    def __init__(self, path: str) -> None:
        # The instance's lock guards every use, so that several threads can share the connection.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # With this setting a killed process loses no data; only a power failure could lose some.
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
        """Run the ``with`` block as one transaction, which is rolled back after an exception."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Delete all records, leads, static lists and activities."""
        for table in TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
        self._db.execute("DELETE FROM sqlite_sequence")

    def meta(self, name: str) -> str | None:
        """Return a value about the instance, such as its clock's offset, or None if not stored."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Store a value about the instance under a name, in place of an earlier value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def keep_meta(self, name: str, given: str | None, default: str) -> str:
        """Choose a value about the instance, store it and return it.

        The value is ``given``, else the value stored earlier, else ``default``.

        Args:
            name: name of the value.
            given: the value to use, if any.
            default: the value to use if none is given or stored.
        """
        value = given or self.meta(name) or default
        self.set_meta(name, value)
        return value

    def next_id(self, table: str) -> int:
        """Return the next free id of a table; ids of deleted rows are not used again."""
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
        """Insert records or leads, whose ids are already set.

        Args:
            table: name of the object's table.
            rows: the records or leads.
            known: "ABORT" to fail on an existing id, "IGNORE" to keep the existing record.
        """
        sql = f"INSERT OR {known} INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a name of our own
        self._db.executemany(sql, rows)

    def update(self, table: str, row: Row) -> None:
        """Replace the field values and update date of the stored record with the id of ``row``."""
        sql = f"UPDATE {table} SET body = ?, updated = ? WHERE id = ?"  # noqa: S608 - a name of our own
        self._db.execute(sql, (row.body, row.updated, row.id))

    def delete(self, table: str, ids: Iterable[int]) -> None:
        """Delete the records with the given row ids from a table."""
        sql = f"DELETE FROM {table} WHERE id = ?"  # noqa: S608 - a name of our own
        self._db.executemany(sql, [(each,) for each in ids])

    def find(
        self, table: str, column: str, values: Sequence[Any], after: int = 0, limit: int = -1
    ) -> list[Row]:
        """Return the records that have one of the values in a column, in order of their ids.

        Args:
            table: name of the object's table.
            column: name of a column, or an expression from ``search_expression``.
            values: the values to find.
            after: id of a record; only records with greater ids are returned.
            limit: maximum number of records; -1 for all.
        """
        marks = ",".join("?" * len(values))
        # The plus signs make SQLite use the column's index instead of scanning the table by id.
        sql = (
            f"SELECT {_COLUMNS} FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - names of our own
            " AND +id > ? ORDER BY +id LIMIT ?"
        )
        cursor = self._db.execute(sql, (*values, after, limit))
        return [Row._make(row) for row in cursor]

    def search_expression(self, table: str, field: str) -> str:
        """Return the SQL expression by which ``find`` searches a field; create a missing index."""
        expression = f"CAST(json_extract(body, '$.\"{field}\"') AS TEXT) COLLATE NOCASE"
        name = f"{table}_by_{field}"
        if name not in self._search_indexes:
            self._db.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON {table} ({expression})')
            self._search_indexes.add(name)
        return expression

    def scan(
        self, table: str, after: int = 0, limit: int = -1, *, offset: int = 0
    ) -> Iterator[Row]:
        """Return the records of a table in order of their ids.

        Args:
            table: name of the object's table.
            after: id of a record; only records with greater ids are returned.
            limit: maximum number of records; -1 for all.
            offset: number of records to skip.
        """
        sql = f"SELECT {_COLUMNS} FROM {table} WHERE id > ? ORDER BY id LIMIT ? OFFSET ?"  # noqa: S608 - a name of our own
        return (Row._make(row) for row in self._db.execute(sql, (after, limit, offset)))

    def existing_leads(self, ids: Sequence[int]) -> set[int]:
        """Return those of the given ids, however many, that are ids of stored leads."""
        sql = "SELECT id FROM lead WHERE id IN (SELECT value FROM json_each(?))"
        return {int(row[0]) for row in self._db.execute(sql, [json.dumps(list(ids))])}

    def remove_leads(self, ids: Iterable[int]) -> None:
        """Delete leads, and remove them from all static lists."""
        removed = [(each,) for each in ids]
        self._db.executemany("DELETE FROM lead WHERE id = ?", removed)
        self._db.executemany("DELETE FROM list_member WHERE lead = ?", removed)

    def add_list_members(self, list_id: int, leads: Iterable[int]) -> None:
        """Make leads members of the static list with the given id."""
        rows = [(list_id, lead) for lead in leads]
        self._db.executemany("INSERT OR IGNORE INTO list_member VALUES (?, ?)", rows)

    def remove_list_member(self, list_id: int, lead: int) -> None:
        """Remove a lead from the members of the static list with the given id."""
        self._db.execute("DELETE FROM list_member WHERE list = ? AND lead = ?", (list_id, lead))

    def move_list_members(self, leads: Iterable[int], kept: int) -> None:
        """Add the lead ``kept`` to all static lists that have one of ``leads`` as a member."""
        sql = "INSERT OR IGNORE INTO list_member SELECT list, ? FROM list_member WHERE lead = ?"
        self._db.executemany(sql, [(kept, lead) for lead in leads])

    def add_static_list(self, each: StaticList) -> None:
        """Store a new static list, without members; do nothing if a list with this id exists."""
        self._db.execute("INSERT OR IGNORE INTO static_list VALUES (?, ?, ?)", each)

    def static_lists(self, after: int = 0, limit: int = -1) -> list[StaticList]:
        """Return static lists with ids above ``after`` in order of their ids, at most ``limit``."""
        sql = "SELECT id, name, created FROM static_list WHERE id > ? ORDER BY id LIMIT ?"
        return [StaticList._make(row) for row in self._db.execute(sql, (after, limit))]

    def members(self, list_id: int, after: int, limit: int) -> list[Row]:
        """Return at most ``limit`` leads of a static list, by ascending lead id above ``after``."""
        sql = (
            f"SELECT {_COLUMNS} FROM lead WHERE id > ? AND id IN"  # noqa: S608 - names of our own
            " (SELECT lead FROM list_member WHERE list = ?) ORDER BY id LIMIT ?"
        )
        return [Row._make(row) for row in self._db.execute(sql, (after, list_id, limit))]

    def list_members(self, list_ids: Sequence[int]) -> set[int]:
        """Return the ids of all leads that are on at least one of the given static lists."""
        marks = ",".join("?" * len(list_ids))
        sql = f"SELECT lead FROM list_member WHERE list IN ({marks})"  # noqa: S608 - question marks
        return {int(row[0]) for row in self._db.execute(sql, list(list_ids))}

    def lead_ids(self) -> list[int]:
        """Return the ids of all leads in ascending order."""
        return [int(row[0]) for row in self._db.execute("SELECT id FROM lead ORDER BY id")]

    def add_activities(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add activities to the activity log.

        Args:
            rows: tuples of date, time when it becomes visible, lead, type, asset, label, JSON.
        """
        sql = (
            "INSERT INTO activity (date, visible, lead, type, asset, label, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        self._db.executemany(sql, rows)

    def activities(
        self, position: tuple[int, int], visible: float, limit: int
    ) -> list[tuple[Any, ...]]:
        """Return rows of the activity log, as tuples, in order of date and id.

        Args:
            position: date and id of the activity that precedes the first one to return.
            visible: seconds since 1970; activities that clients may see only later are left out.
            limit: maximum number of activities.
        """
        sql = (
            "SELECT id, date, lead, type, asset, label, attributes FROM activity"
            " WHERE (date, id) > (?, ?) AND visible <= ? ORDER BY date, id LIMIT ?"
        )
        return self._db.execute(sql, (*position, visible, limit)).fetchall()
