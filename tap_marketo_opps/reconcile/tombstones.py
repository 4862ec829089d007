"""Records for what is gone, made of what the warehouse has."""

from __future__ import annotations

import logging
import typing as t

from tap_marketo_opps.moments import to_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from marketo_opps import Record
    from tap_marketo_opps.reconcile.row_types import RowReader
    from tap_marketo_opps.reconcile.warehouse_file import Row

_LOGGER = logging.getLogger("tap-marketo-opps")


class Tombstones:
    """Makes a record of each row that is gone.

    Args:
        reader: Of the rows.
        now: Returns the present by Marketo's clock.
        warnings: Sentences to log before the first one.
    """

    def __init__(
        self, reader: RowReader, now: Callable[[], datetime], warnings: Iterable[str]
    ) -> None:
        self._reader = reader
        self._now = now
        self._warnings = [*warnings]

    def of(self, rows: Sequence[Row]) -> list[Record]:
        """Return a record for each row: its columns, and since when it is gone."""
        if not rows:
            return []
        while self._warnings:
            _LOGGER.warning("%s", self._warnings.pop(0))
        now = to_iso_utc(self._now())
        return [self._reader.tombstone(row.cells, now) for row in rows]
