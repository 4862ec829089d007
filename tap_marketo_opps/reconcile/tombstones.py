"""Tombstones: records for warehouse rows that no longer exist in Marketo."""

from __future__ import annotations

import logging
import typing as t

from tap_marketo_opps.timestamps import to_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from marketo_opps import Record
    from tap_marketo_opps.reconcile.row_types import RowReader
    from tap_marketo_opps.reconcile.warehouse_file import Row

_LOGGER = logging.getLogger("tap-marketo-opps")


class Tombstones:
    """Creates a record for each row whose record no longer exists in Marketo.

    Args:
        reader: Reader of the rows' cells.
        now: Returns the current time by Marketo's clock.
        warnings: Warnings to log before the first tombstone.

    Attributes:
        warnings: The argument `warnings`.
    """

    def __init__(
        self, reader: RowReader, now: Callable[[], datetime], warnings: Iterable[str]
    ) -> None:
        self._reader = reader
        self._now = now
        self.warnings = [*warnings]
        self._has_warned = False

    def of(self, rows: Sequence[Row]) -> list[Record]:
        """Return a tombstone for each row: the row's values, and `_sdc_deleted_at`."""
        if not rows:
            return []
        self._warn_once()
        now = to_iso_utc(self._now())
        return [self._reader.tombstone(row.cells, now) for row in rows]

    def _warn_once(self) -> None:
        for warning in () if self._has_warned else self.warnings:
            _LOGGER.warning("%s", warning)
        self._has_warned = True
