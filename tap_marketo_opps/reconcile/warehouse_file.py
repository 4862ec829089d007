"""The warehouse's rows in a file: a CSV file, or only GUIDs, never all in memory."""

from __future__ import annotations

import re
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps.fields import MARKETO_GUID
from marketo_opps.keys import comparable_key
from tap_marketo_opps.finding.key_lines import KeyFile
from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.key_survey import ChunkMarks, KeySummary, modified_at

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GUID = re.compile(r"[^\s\x00-\x1f\x7f,;|<>()\"']+")
_GUID_RULE = f"not a {MARKETO_GUID}, which has no blanks, commas, quotation marks or brackets"


class Row(t.NamedTuple):
    """A row of the warehouse.

    Attributes:
        number: Number of the row among those with a GUID, from 0.
        key: GUID of the row.
        cells: Cells of all columns, as in the file.
    """

    number: int
    key: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowChunk:
    """The rows looked up by one call, which have the numbers from `start` to before `end`."""

    start: int
    end: int
    rows: tuple[Row, ...]


class WarehouseFile:
    """A file of the warehouse's rows.

    The file is read once to count and check its GUIDs, and again to look them up. Of each chunk 16
    bytes are kept to make sure that the file has not changed between the readings.

    Args:
        setting: Name of the setting that names the file, for messages.
        path: Path of the file.

    Attributes:
        columns: Names of the columns.
        total: Number of rows with a GUID.
        repeated: Number of rows whose GUID occurs again in the same chunk; the last row counts.
        digest: Short text calculated from all GUIDs, to recognize the same file in a later run.
        made_at: Timestamp of the file's last modification; None if unknown.

    Raises:
        SettingsError: The file cannot be read, or contains no GUIDs.
    """

    def __init__(self, setting: str, path: str) -> None:
        self.setting = setting
        self.path = path
        self.made_at = modified_at(path)
        self._file = KeyFile(setting, path, MARKETO_GUID)
        self.columns = self._file.columns()
        summary = KeySummary(lambda guid: _GUID.fullmatch(guid) is not None)
        self._marks = ChunkMarks.of(_summed(_chunks(self._file.rows()), summary))
        summary.raise_if_invalid(f"{setting}: {path}", _GUID_RULE, "row")
        self.total = self._marks.ends[-1]
        self.repeated = self.total - summary.count
        self.digest = f"{summary.digest}-{self.total}"
        self._file.warn_of_rows_without_key()

    def chunks(self) -> Iterator[RowChunk]:
        """Yield all rows in chunks of 300 distinct GUIDs.

        Raises:
            ChangedFileError: The file has changed since it was first read.
        """
        return self._marks.checked(_chunks(self._file.rows()), 0, self.setting, self.path)


def _summed(chunks: Iterable[RowChunk], summary: KeySummary) -> Iterator[RowChunk]:
    """Yield all chunks of rows unchanged, and add their GUIDs to a summary that counts them."""
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
