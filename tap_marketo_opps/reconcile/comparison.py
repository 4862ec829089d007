"""Comparison of a warehouse row with the record in Marketo; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import SettingsError
from marketo_opps.fields import UPDATED_AT
from tap_marketo_opps.reconcile.row_types import DELETED_AT, read_timestamp

if t.TYPE_CHECKING:
    from marketo_opps import Record
    from tap_marketo_opps.reconcile.position import Counts
    from tap_marketo_opps.reconcile.row_types import RowReader
    from tap_marketo_opps.reconcile.warehouse_file import Row


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares warehouse rows with the records that Marketo has for them.

    Attributes:
        reader: Reader of the rows' cells.
        log_until: Timestamp up to which earlier runs have read the activity log, by the state; None
            if the state does not say so.
        where: The setting that names the rows' file, and its path, for messages.
    """

    reader: RowReader
    log_until: str | None
    where: str

    def is_marked(self, row: Row) -> bool:
        """Return True if a warehouse row is already marked as deleted, by its `_sdc_deleted_at`.

        Raises:
            SettingsError: The mark of the row is not a date-time.
        """
        try:
            return self.reader.is_marked(row.cells)
        except ValueError:
            raise SettingsError(
                f"{self.where}: {DELETED_AT} of row {row.number + 1:,} is not a date-time. Export "
                "the column as it was loaded, with an empty cell where it is null."
            ) from None

    def is_changed(self, row: Row, record: Record, counts: Counts) -> bool:
        """Return True if Marketo's record differs from the warehouse's row, so that it is emitted.

        They are compared by `updatedAt`. Every record differs from a row that is marked as deleted,
        and from a row without `updatedAt`.

        Args:
            row: The warehouse's row.
            record: Marketo's record.
            counts: Counts to which the row is added, as equal or as changed.

        Raises:
            SettingsError: The mark of the row is not a date-time.
        """
        updated_at = read_timestamp(record.get(UPDATED_AT))
        if self._is_alike(row, updated_at):
            counts.alike += 1
            return False
        counts.changed += 1
        counts.undated += self.reader.has_unreadable_date(row.cells)
        counts.untold += bool(self.log_until and updated_at and updated_at < self.log_until)
        return True

    def _is_alike(self, row: Row, updated_at: str | None) -> bool:
        if updated_at is None or self.is_marked(row):
            return False
        return self.reader.updated_at(row.cells) == updated_at
