"""What the tap has written so far, as tables for its reconcile."""

from __future__ import annotations

import typing as t

from tests.fuzz.tap_model import STREAMS
from tests.soak.world import KEY, role_key
from tests.tap_marketo_opps.conftest import Output
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES, Warehouse

if t.TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, t.Any]
MARK = "_sdc_deleted_at"


def record_key(stream: str, record: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """Return the key by which the destination knows a record."""
    return role_key(record) if stream == ROLES else (record[KEY],)


def data_records(messages: list[Message]) -> list[tuple[str, dict[str, t.Any]]]:
    """Return stream and record of each message with an opportunity or a role."""
    return [
        (each["stream"], each["record"])
        for each in messages
        if each["type"] == "RECORD" and each["stream"] in STREAMS
    ]


class Tables:
    """The tables of both streams: rows by marketoGUID, and only one row for each key.

    A row is marked as deleted once the destination has been told, when its reconcile has ended.
    """

    def __init__(self) -> None:
        self._tables = {stream: Warehouse(stream=stream) for stream in STREAMS}
        self._guids: dict[tuple[str, tuple[t.Any, ...]], str] = {}
        self._marks: dict[str, dict[str, str]] = {stream: {} for stream in STREAMS}

    def load(self, messages: list[Message]) -> None:
        """Load the records of a run, and keep its tombstones for `mark`."""
        living = []
        for each in messages:
            mark = each.get("record", {}).get(MARK)
            if mark and each["stream"] in STREAMS:
                self._marks[each["stream"]][each["record"]["marketoGUID"]] = mark
            else:
                living.append(each)
        output = Output(living)
        for stream, table in self._tables.items():
            if records := output.records(stream):
                table.load(output)
                self._forget_replaced(stream, records)

    def mark(self) -> tuple[int, int]:
        """Mark the rows of all tombstones; return how many of each stream."""
        counts = []
        for stream, marks in self._marks.items():
            rows = self._tables[stream].rows
            for guid in marks.keys() & rows.keys():
                rows[guid][MARK] = marks[guid]
            counts.append(len(marks))
            marks.clear()
        return counts[0], counts[1]

    def export(self, directory: Path) -> dict[str, str]:
        """Write a file for each table; return the tap's settings that name them."""
        return {
            PATHS[stream]: str(table.export(directory / f"{stream}.csv"))
            for stream, table in self._tables.items()
            if table.rows
        }

    def living_deals(self) -> set[str]:
        """Return the external ids of the opportunities that are not marked as deleted."""
        return {row[KEY] for row in self._tables[OPPORTUNITIES].living.values()}

    def _forget_replaced(self, stream: str, records: list[dict[str, t.Any]]) -> None:
        rows = self._tables[stream].rows
        for record in records:
            key, guid = record_key(stream, record), record["marketoGUID"]
            old = self._guids.get((stream, key), guid)
            if old != guid and old in rows and record_key(stream, rows[old]) == key:
                del rows[old]
            self._guids[stream, key] = guid
