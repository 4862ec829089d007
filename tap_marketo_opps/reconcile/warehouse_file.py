"""What the warehouse has, as a file: rows of a CSV, or GUIDs alone; never all in memory."""

from __future__ import annotations

import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import is_valid_filter_value
from marketo_opps.fields import MARKETO_GUID
from marketo_opps.keys import comparable_key
from tap_marketo_opps.finding.key_lines import KeyFile
from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.key_survey import VALUE_RULE, ChunkMarks, KeySummary, modified_at

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Row(t.NamedTuple):
    """A row of the warehouse.

    Attributes:
        number: Counted from 0, of the rows that have a GUID.
        key: Its GUID.
        cells: Of all its columns, as the file has them.
    """

    number: int
    key: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowChunk:
    """The rows of one call, from the `start`-th to the one before the `end`-th."""

    start: int
    end: int
    rows: tuple[Row, ...]


class WarehouseFile:
    """A file of the warehouse's rows.

    It is read once to count and check its GUIDs, and again to look them up: 16 bytes a chunk are
    kept to compare.

    Args:
        setting: Which one names the file, for error messages.
        path: Of the file.

    Attributes:
        columns: Names of the cells of a row.
        total: How many rows have a GUID.
        repeated: How many of them name one that the same chunk has again; the last one counts.
        digest: Differs where the GUIDs do.
        made_at: When the file was last changed; None where that cannot be known.

    Raises:
        SettingsError: It cannot be read, or holds no GUIDs.
    """

    def __init__(self, setting: str, path: str) -> None:
        self.setting = setting
        self.path = path
        self.made_at = modified_at(path)
        self._file = KeyFile(setting, path, MARKETO_GUID)
        self.columns = self._file.columns()
        summary = KeySummary(is_valid_filter_value)
        self._marks = ChunkMarks.of(_summed(_chunks(self._file.rows()), summary))
        summary.raise_if_invalid(f"{setting}: {path}", VALUE_RULE, "row")
        self.total = self._marks.ends[-1]
        self.repeated = self.total - summary.count
        self.digest = f"{summary.digest}-{self.total}"
        self._file.warn_of_rows_without_key()

    def chunks(self) -> Iterator[RowChunk]:
        """Yield the rows from the first one on, those of 300 GUIDs at a time.

        Raises:
            ChangedFileError: They are not what they were.
        """
        return self._marks.checked(_chunks(self._file.rows()), 0, self.setting, self.path)


def _summed(chunks: Iterable[RowChunk], summary: KeySummary) -> Iterator[RowChunk]:
    """Take the GUIDs of each chunk into account, and yield all."""
    for chunk in chunks:
        keys = (row.key for row in chunk.rows)
        deque(summary.add_each(keys, chunk.start + 1), maxlen=0)
        yield chunk


def _chunks(rows: Iterable[tuple[str, t.Sequence[str]]]) -> Iterator[RowChunk]:
    kept: dict[str | None, Row] = {}
    start = end = 0
    for end, (key, cells) in enumerate(rows, 1):
        kept[comparable_key(key)] = Row(end - 1, key, tuple(cells))
        if len(kept) == KEYS_PER_CALL:
            yield RowChunk(start, end, tuple(kept.values()))
            start, kept = end, {}
    if kept:
        yield RowChunk(start, end, tuple(kept.values()))
