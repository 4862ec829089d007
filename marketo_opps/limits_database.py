"""Opens the SQLite file of the setting `limits_path`, by which processes share rate limits."""

from __future__ import annotations

import sqlite3

import backoff

from marketo_opps.process_identity import boot_id

# "Mkto"; SQLite files have such a number to tell which program they belong to.
_APPLICATION_ID = 0x4D6B746F

# Times are seconds of the machine's monotonic clock.
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    "CREATE TABLE boot (id TEXT NOT NULL)",
    # A pause lasts until `paused_until`, and from then until a single call, the probe, has had a
    # response that asks for no other pause.
    """CREATE TABLE instances (
        host TEXT PRIMARY KEY, processes_checked_at REAL NOT NULL DEFAULT 0,
        pauses INTEGER NOT NULL DEFAULT 0, paused_until REAL NOT NULL DEFAULT 0,
        is_probing INTEGER NOT NULL DEFAULT 0, probe_pid INTEGER, probe_started TEXT,
        probed_at REAL
    ) WITHOUT ROWID""",
    """CREATE TABLE processes (
        host TEXT, pid INTEGER, started TEXT, calls_per_20_seconds INTEGER,
        max_concurrent_calls INTEGER, PRIMARY KEY (host, pid, started)
    ) WITHOUT ROWID""",
    # `arrived_at` is when the call reached Marketo at the latest; NULL while it is in flight.
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY, host TEXT, pid INTEGER, started TEXT, sent_at REAL, arrived_at REAL
    )""",
    "CREATE INDEX calls_by_time ON calls (host, arrived_at)",
    """CREATE TABLE waiting (
        id INTEGER PRIMARY KEY, host TEXT, pid INTEGER, started TEXT, since REAL, seen_at REAL,
        calls_per_20_seconds INTEGER, max_concurrent_calls INTEGER
    )""",
)
_TABLES_OF_ONE_BOOT = ("instances", "processes", "calls", "waiting")

SITUATION = """
SELECT
    paused_until, is_probing, probed_at,
    (SELECT count(*) FROM calls
     WHERE host = :host AND arrived_at IS NULL AND sent_at > :sent_after),
    ahead.number, ahead.calls_per_20_seconds, ahead.max_concurrent_calls
FROM instances, (
    SELECT
        count(*) AS number,
        min(calls_per_20_seconds) AS calls_per_20_seconds,
        min(max_concurrent_calls) AS max_concurrent_calls
    FROM waiting
    WHERE host = :host AND seen_at > :seen_after AND (since, id) < (:since, :id)
) AS ahead
WHERE host = :host
"""

ADD_CALL_IF_FREE = """
INSERT INTO calls
SELECT NULL, host, :pid, :started, :now, NULL FROM instances
WHERE host = :host AND paused_until <= :now AND NOT is_probing
AND NOT EXISTS (SELECT * FROM waiting WHERE host = :host AND seen_at > :seen_after)
AND :in_flight > (
    SELECT count(*) FROM calls
    WHERE host = :host AND arrived_at IS NULL AND sent_at > :sent_after
)
AND :in_window > (
    SELECT count(*) FROM calls WHERE host = :host
    AND (arrived_at > :arrived_after OR arrived_at IS NULL AND sent_at > :sent_after)
)
"""

# How long to wait for a lock of another process: longer than a busy disk takes. A process that is
# suspended during a change delays the others by no more than this.
LONGEST_LOCK_SECONDS = 10.0


def open_limits_database(path: str) -> sqlite3.Connection:
    """Open the SQLite file that the setting `limits_path` names, and return the connection.

    The file and its tables are created if they do not exist. Entries from before the last reboot
    are deleted, because their times are of a clock that has started again.

    Args:
        path: path of the file, on a local disk.

    Raises:
        sqlite3.Error: the file cannot be opened, locked or written, or belongs to another program.
        OSError: the operating system has no boot ID, by which a reboot is noticed.
    """
    database = sqlite3.connect(
        path, timeout=LONGEST_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    with database:
        # Before the journal mode is set, which would change another program's file.
        database.execute("BEGIN IMMEDIATE")
        _create_tables(database)
        _forget_earlier_boots(database)
    _use_write_ahead_log(database)
    database.execute("PRAGMA synchronous = NORMAL")


# SQLite does not wait for a lock here, as it does elsewhere: several processes may be opening a new
# file at the same time.
@backoff.on_exception(
    backoff.constant,
    sqlite3.OperationalError,
    giveup=lambda error: getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY,
    max_time=lambda: LONGEST_LOCK_SECONDS,
    interval=0.02,
    jitter=None,
    logger=None,
)
def _use_write_ahead_log(database: sqlite3.Connection) -> None:
    """Set the file's journal mode: one that survives a killed process and seldom syncs the disk."""
    (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError("processes cannot share it")


def _create_tables(database: sqlite3.Connection) -> None:
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    if application_id == _APPLICATION_ID:
        return
    (objects,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if objects:
        raise sqlite3.DatabaseError("it is another program's database")
    for statement in _SCHEMA:
        database.execute(statement)


def _forget_earlier_boots(database: sqlite3.Connection) -> None:
    boot = (boot_id(),)
    if database.execute("SELECT id FROM boot").fetchone() == boot:
        return
    for table in ("boot", *_TABLES_OF_ONE_BOOT):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
    database.execute("INSERT INTO boot VALUES (?)", boot)
