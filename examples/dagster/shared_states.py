"""Stores the last STATE of each instance in PostgreSQL, with a lock that all workers share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterator

# If a worker's machine is lost, its locks are released when the server notices: in a minute.
_OPTIONS = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
# Advisory locks end with the connection. `marketo:` distinguishes them from other programs'.
_LOCK = "select pg_try_advisory_lock(hashtextextended('marketo:' || %s, 0))"
_LAST = "select state::text from marketo_states where instance = %s"
_SAVE = """
insert into marketo_states (instance, state) values (%s, %s)
on conflict (instance) do update set state = excluded.state, saved_at = now()
"""


class InstanceBusyError(Exception):
    """Another worker holds the instance's lock."""


class HeldInstance:
    """An instance whose lock this worker holds.

    Its state is saved over the connection that holds the lock. A worker that loses the connection
    loses both, so it cannot overwrite the state of the next worker.

    Args:
        connection: database connection that holds the lock.
        name: name of the instance.
    """

    def __init__(self, connection: psycopg2.extensions.connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def last_state(self) -> str | None:
        """Return the last STATE as the target printed it, or None before the first run."""
        with self._connection.cursor() as cursor:
            cursor.execute(_LAST, (self._name,))
            row = cursor.fetchone()
        return row[0] if row else None

    def save(self, state: str) -> None:
        """Save a STATE as the instance's last one, in place of the one before."""
        with self._connection.cursor() as cursor:
            cursor.execute(_SAVE, (self._name, state))


@contextmanager
def hold(url: str, name: str) -> Iterator[HeldInstance]:
    """Hold an instance's lock while the `with` block runs; yield access to its last STATE.

    Raises:
        InstanceBusyError: another worker holds the lock.
    """
    connection = psycopg2.connect(url, options=_OPTIONS)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, (name,))
            (free,) = cursor.fetchone()
        if not free:
            raise InstanceBusyError(f"Another worker is moving {name}: this run has done nothing.")
        yield HeldInstance(connection, name)
    finally:
        connection.close()
