"""Whether the warehouse has a record as Marketo has it; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.fields import UPDATED_AT
from tap_marketo_opps.reconcile.row_types import read_moment

if t.TYPE_CHECKING:
    from marketo_opps import Record
    from tap_marketo_opps.reconcile.position import Counts
    from tap_marketo_opps.reconcile.row_types import RowReader
    from tap_marketo_opps.reconcile.warehouse_file import Row


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares rows with the records that are found for them.

    Attributes:
        reader: Of the rows.
        log_until: Up to when the state says that the log has told of changes; None if it does not.
    """

    reader: RowReader
    log_until: str | None

    def is_marked(self, row: Row) -> bool:
        """Return True if the warehouse knows that the row's record is gone."""
        return self.reader.is_marked(row.cells)

    def is_changed(self, row: Row, record: Record, counts: Counts) -> bool:
        """Return True if a record is to be emitted, and count it.

        One that the warehouse holds for gone is, and any where rows do not say when they changed.
        """
        updated_at = read_moment(record.get(UPDATED_AT))
        if self._is_alike(row, updated_at):
            counts.alike += 1
            return False
        counts.changed += 1
        counts.untold += bool(self.log_until and updated_at and updated_at < self.log_until)
        return True

    def _is_alike(self, row: Row, updated_at: str | None) -> bool:
        if updated_at is None or self.reader.is_marked(row.cells):
            return False
        return self.reader.updated_at(row.cells) == updated_at
