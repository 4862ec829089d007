"""Store roles that wait for their opportunity: in memory to a limit, then in a temporary file."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import Reason
from marketo_opps.private_database import CACHE_BYTES, private_database
from target_marketo_opps.delivery.batches import OutboundRecord
from target_marketo_opps.json_lines import decode, encode

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from target_marketo_opps.delivery.batches import BatchTarget

PORTION_BYTES = 4_000_000
"""Roles are returned in portions, because even one opportunity may have too many for memory."""

_SCHEMA = """
CREATE TABLE roles (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    opportunity BLOB NOT NULL,
    key BLOB NOT NULL,
    sent_key BLOB NOT NULL,
    checkpoint INTEGER NOT NULL,
    looked_up_at REAL NOT NULL,
    streams BLOB NOT NULL,
    body BLOB NOT NULL,
    source BLOB NOT NULL,
    reasons BLOB NOT NULL,
    request_id TEXT
);
CREATE INDEX by_opportunity ON roles (opportunity);
CREATE INDEX by_key ON roles (key);
CREATE TABLE dismissed AS SELECT * FROM roles;
"""
_COLUMNS = "key, checkpoint, streams, body, source, reasons, request_id"


@dataclass(frozen=True, slots=True)
class ParkedRole:
    """A role that Marketo skipped because its opportunity is missing, and that waits for it.

    Attributes:
        record: the role.
        checkpoint: number of the first STATE that waits for the role, from `Ledger.park`.
        reasons: Marketo's reasons for skipping the role.
        request_id: requestId of the call in which Marketo skipped the role.
    """

    record: OutboundRecord
    checkpoint: int
    reasons: tuple[Reason, ...]
    request_id: str | None


class ParkedRoleStore:
    """Stores parked roles in order of arrival, and finds them by key or opportunity.

    A parked role waits until Marketo has its missing opportunity. A dismissed role was parked when
    it or its opportunity was deleted; it is stored until it is rejected.

    Args:
        cache_bytes: maximum memory before a temporary file is used.
    """

    def __init__(self, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._count = 0
        self._looked_up_until = b""
        self._target: BatchTarget | None = None
        self._database = private_database(_SCHEMA, cache_bytes=cache_bytes)

    def __len__(self) -> int:
        return self._count

    def add(self, role: ParkedRole) -> None:
        """Store a role whose opportunity is missing, behind all roles that were stored before."""
        record = role.record
        self._target = record.target
        self._count += 1
        self._database.execute(
            f"INSERT INTO roles (opportunity, looked_up_at, sent_key, {_COLUMNS})"  # noqa: S608 - constants alone
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                _opportunity(record),
                0.0,
                _sent_key(record),
                encode(record.key),
                role.checkpoint,
                encode([record.stream, record.source_stream]),
                record.body,
                record.source,
                encode([[why.code, why.message] for why in role.reasons]),
                role.request_id,
            ),
        )

    def first_with_key_of(self, record: OutboundRecord) -> ParkedRole | None:
        """Return the first role that was parked with the key of a role; None if there is none.

        A key in another spelling is another key here.
        """
        keys = encode(record.key), _sent_key(record)
        row = next(self._rows("roles", "key = ? AND sent_key = ?", *keys), None)
        return None if row is None else self._role(row[1:])

    def waits_for(self, opportunity: Hashable) -> bool:
        """Return whether any parked role waits for an opportunity."""
        return next(self._rows("roles", "opportunity = ?", encode(opportunity)), None) is not None

    # Dismissed roles no longer count as parked, but are kept until they are taken.

    def dismiss_key(self, key: Hashable) -> None:
        """Mark all parked roles with a key as dismissed: they will be rejected."""
        self._dismiss("key = ?", encode(key))

    def dismiss_opportunity(self, opportunity: Hashable) -> None:
        """Mark all parked roles of an opportunity as dismissed: they will be rejected."""
        self._dismiss("opportunity = ?", encode(opportunity))

    # Each of the next three methods returns at least one role, if there is any.

    def take_dismissed(self, *, most_bytes: int = PORTION_BYTES) -> list[ParkedRole]:
        """Remove and return the first of the roles that have to be rejected.

        They were deleted, or their opportunity was, while they waited for it.

        Args:
            most_bytes: memory that the returned roles may take; at least one role is returned.
        """
        return self._take("dismissed", "TRUE", most_bytes=most_bytes)

    def take_of_opportunity(
        self, opportunity: Hashable, *, most_bytes: int = PORTION_BYTES
    ) -> list[ParkedRole]:
        """Remove and return the roles of an opportunity that were parked first.

        Args:
            opportunity: id of the opportunity, in comparable form.
            most_bytes: memory that the returned roles may take; at least one role is returned.
        """
        return self._take("roles", "opportunity = ?", encode(opportunity), most_bytes=most_bytes)

    def take_any(self, *, most_bytes: int = PORTION_BYTES) -> list[ParkedRole]:
        """Remove and return the roles of any opportunity that were parked first.

        Args:
            most_bytes: memory that the returned roles may take; at least one role is returned.
        """
        return self._take("roles", "TRUE", most_bytes=most_bytes)

    def opportunities_to_look_up(
        self, count: int, *, until: int, looked_up_before: float, now: float
    ) -> list[t.Any]:
        """Return ids of opportunities that roles wait for, and store that they are looked up now.

        Args:
            count: maximum number of ids.
            until: number of a STATE; only roles that hold back this one or an earlier one matter.
            looked_up_before: opportunities that were looked up after this moment are left out.
            now: current moment, by the same clock.
        """
        rows = self._database.execute(
            "SELECT opportunity, body FROM roles"
            " WHERE opportunity > ? AND checkpoint <= ? AND looked_up_at <= ?"
            " GROUP BY opportunity ORDER BY opportunity LIMIT ?",
            (self._looked_up_until, until, looked_up_before, count),
        ).fetchall()
        # The next call continues after these ids instead of reading them again.
        self._looked_up_until = rows[-1][0] if len(rows) == count else b""
        self._database.executemany(
            "UPDATE roles SET looked_up_at = ? WHERE opportunity = ?",
            [(now, row[0]) for row in rows],
        )
        return [decode(body)["externalOpportunityId"] for _, body in rows]

    def _dismiss(self, where: str, value: bytes) -> None:
        copy = f"INSERT INTO dismissed SELECT * FROM roles WHERE {where}"  # noqa: S608 - constants alone
        self._database.execute(copy, (value,))
        gone = self._database.execute(f"DELETE FROM roles WHERE {where}", (value,))  # noqa: S608 - the same
        self._count -= gone.rowcount

    def _take(self, table: str, where: str, *values: bytes, most_bytes: int) -> list[ParkedRole]:
        taken: list[ParkedRole] = []
        last = 0
        for number, *row in self._rows(table, where, *values):
            last = number
            taken.append(self._role(row))
            most_bytes -= taken[-1].record.own_bytes
            if most_bytes <= 0:
                break
        if taken:
            delete = f"DELETE FROM {table} WHERE {where} AND number <= ?"  # noqa: S608 - the same
            self._database.execute(delete, (*values, last))
            self._count -= len(taken) if table == "roles" else 0
        return taken

    def _rows(self, table: str, where: str, *values: bytes) -> Iterator[tuple[t.Any, ...]]:
        """Yield the rows of a table that satisfy an SQL condition, one by one to save memory."""
        query = f"SELECT number, {_COLUMNS} FROM {table} WHERE {where} ORDER BY number"  # noqa: S608 - the same
        return self._database.execute(query, values)

    def _role(self, row: Sequence[t.Any]) -> ParkedRole:
        key, checkpoint, streams, body, source, reasons, request_id = row
        assert self._target is not None
        parts = tuple(decode(key))
        stream, source_stream = decode(streams)
        return ParkedRole(
            OutboundRecord(stream, self._target, parts, parts[:1], body, source_stream, source),
            checkpoint,
            tuple(Reason(code, message) for code, message in decode(reasons)),
            request_id,
        )


def _opportunity(record: OutboundRecord) -> bytes:
    """Return the id of a role's opportunity as the database stores it."""
    return encode(record.ordering_keys[0])


def _sent_key(record: OutboundRecord) -> bytes:
    """Return a role's key as it is sent, in the form in which the database stores it."""
    return encode(list(record.sent_key.values()))
