"""The last STATE of each instance in PostgreSQL, behind a lock that all workers share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterator

# A worker whose machine is gone holds its locks until the server notices: so, for a minute.
_OPTIONS = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
# Locks of this kind end with the connection. `marketo:` keeps them apart from other programs'.
_LOCK = "select pg_try_advisory_lock(hashtextextended('marketo:' || %s, 0))"
_LAST = "select state::text from marketo_states where instance = %s"
_SAVE = """
insert into marketo_states (instance, state) values (%s, %s)
on conflict (instance) do update set state = excluded.state, saved_at = now()
"""


class InstanceBusyError(Exception):
    """Another worker is moving this instance's records."""


class HeldInstance:
    """An instance whose lock this worker has.

    Its state is saved by the connection that holds the lock: who loses the one loses the other,
    so a worker that is cut off cannot overwrite the state of the next one.

    Args:
        connection: holds the lock.
        name: the instance's.
    """

    def __init__(self, connection: psycopg2.extensions.connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def last_state(self) -> str | None:
        """Return the last STATE as the target printed it, or None before the first."""
        with self._connection.cursor() as cursor:
            cursor.execute(_LAST, (self._name,))
            row = cursor.fetchone()
        return row[0] if row else None

    def save(self, state: str) -> None:
        """Make a STATE the last one."""
        with self._connection.cursor() as cursor:
            cursor.execute(_SAVE, (self._name, state))


@contextmanager
def hold(url: str, name: str) -> Iterator[HeldInstance]:
    """Hold an instance's lock for as long as the context lasts.

    Raises:
        InstanceBusyError: another worker holds it.
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
