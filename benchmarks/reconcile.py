"""Reconciles a warehouse with known differences, to count those found, calls and memory."""

from __future__ import annotations

import csv
import json
import math
import typing as t
from datetime import UTC, datetime

from instances import Instance
from measure import run
from workspace import MARK, STREAM, instance_flags

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from workspace import Workspace

_CALL_RECORDS = 300
_ROWS_A_TIME = 10_000
_COLUMNS = ("marketoGUID", "externalOpportunityId", "name", "stage")
_OF_LONG_AGO = "2020-01-01 00:00:00"
_DIALECTS = ((), ("tokens-only",))

Figures = dict[str, t.Any]


def measure_reconcile(
    workspace: Workspace, sizes: Sequence[int], differences_each: int
) -> list[Figures]:
    """Return differences found, calls and memory of the reconciliation of warehouses.

    Each size is reconciled with a sandbox for each form of paging that Marketo may have.

    Args:
        workspace: the files of the benchmarks.
        sizes: numbers of rows in the warehouse.
        differences_each: one of this many rows in the warehouse differs from Marketo.
    """
    return [
        _reconciled(workspace, count, max(count // differences_each, 2), dialects)
        for count in sizes
        for dialects in _DIALECTS
    ]


def _reconciled(
    workspace: Workspace, count: int, differences: int, dialects: Sequence[str]
) -> Figures:
    """Reconcile one warehouse; half of the differing rows are deleted in Marketo."""
    gone = differences // 2
    flags = [flag for each in dialects for flag in ("--dialect", each)]
    with Instance(*instance_flags(count - gone), "--no-limits", *flags) as source:
        path = workspace.directory / f"warehouse-{count}.csv"
        _write_rows(path, source, count, differences, gone)
        written = path.with_suffix(".singer")
        command = workspace.reconcile(source, path)
        (usage,) = run(command, stdout=written)
        calls = len(source.calls())
    records = list(_records(written))
    return {
        "records": count,
        "dialect": ", ".join(dialects) or "as recorded",
        "planted": differences,
        "changed": sum(MARK not in record for record in records),
        "gone": sum(MARK in record for record in records),
        "calls": calls,
        "allowed": math.ceil(count / _CALL_RECORDS) + math.ceil(gone / _CALL_RECORDS) + 4,
        "peak_mib": round(usage.peak_bytes / 2**20, 1),
        "wall_seconds": round(usage.wall_seconds, 1),
    }


def _write_rows(path: Path, source: Instance, count: int, differences: int, gone: int) -> None:
    """Write the rows of a warehouse to a CSV file; some are outdated, some deleted in Marketo."""
    changed, every = differences - gone, count // differences
    with path.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        write([*_COLUMNS, "updatedAt"])
        for number, deal in enumerate(_deals(source)):
            is_planted, which = number % every == 0, number // every
            is_changed = is_planted and which < changed
            cells = [deal.get(name) for name in _COLUMNS]
            write([*cells, _OF_LONG_AGO if is_changed else _moment(deal["updatedAt"])])
            if is_planted and which < gone:
                write([f"gone-{which}", f"GONE-{which}", "Gone", "Lost", _OF_LONG_AGO])


def _deals(source: Instance) -> Iterator[Figures]:
    after = 0
    while records := source.control(f"opportunities?after={after}&limit={_ROWS_A_TIME}")["records"]:
        yield from records
        after += len(records)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _records(path: Path) -> Iterator[Figures]:
    with path.open("rb") as file:
        for line in file:
            message = json.loads(line)
            if message["type"] == "RECORD" and message["stream"] == STREAM:
                yield message["record"]
