"""Sources of keys to look up: a setting, a file of any length, or a range of lead IDs."""

from __future__ import annotations

import itertools
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, is_valid_filter_value
from tap_marketo_opps.finding.key_lines import KeyFile
from tap_marketo_opps.finding.key_survey import ChunkMarks, KeySummary, modified_at
from tap_marketo_opps.finding.lead_ranges import range_digest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KEYS_PER_CALL = MAX_BATCH_RECORDS
_VALUE_RULE = "values with a comma cannot be looked up"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The keys of one call.

    Attributes:
        start: Position of this chunk in its source, the argument of `KeySource.chunks`.
        end: Position of the next chunk.
        keys: The keys, without duplicates.
    """

    start: int
    end: int
    keys: tuple[str, ...]


class KeySource(t.Protocol):
    """Keys in a fixed order, which can be read from the beginning of any chunk.

    Attributes:
        total: Number of keys, including duplicates.
        digest: Short text calculated from all keys, to recognize the same keys in a later run.
        made_at: Timestamp at which the keys were collected; None if unknown.
        end: Position after the last chunk.
    """

    total: int
    digest: str
    made_at: str | None
    end: int

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield chunks of up to 300 distinct keys, beginning with the chunk at position `start`."""


class ListedKeys:
    """Keys that are listed in a setting.

    Args:
        setting: Name of the setting, for messages.
        values: Value of the setting.

    Raises:
        SettingsError: The setting has no keys, or one that cannot be looked up.
    """

    made_at: str | None = None

    def __init__(self, setting: str, values: Iterable[t.Any]) -> None:
        self._keys = [str(value).strip() for value in values]
        summary = KeySummary(is_valid_filter_value)
        deque(summary.add_each(self._keys), maxlen=0)
        summary.raise_if_invalid(setting, _VALUE_RULE, "value")
        self.total = summary.count
        self.digest = summary.digest
        self.end = len(self._keys)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield chunks of keys, beginning with the key at index `start` of the list."""
        return _chunks(self._keys[start:], start)


class FileKeys:
    """Keys in a file, which is never held in memory as a whole.

    The file is read once to count and check its keys, and again to look them up. Of each chunk 16
    bytes are kept to make sure that the second reading yields the same keys as the first, because
    the digest, and with it each bookmark, is that of the first reading.

    Args:
        setting: Name of the setting that names the file, for messages.
        path: Path of the file.
        column: Header of the column that contains the keys, if the file has columns.
        read_key: Returns a key in the form in which it is looked up.
        is_valid: Returns True for a key that can be looked up.
        rule: Error message for keys that cannot be looked up.

    Raises:
        SettingsError: The file cannot be read, contains no keys, or one that cannot be looked up.
    """

    def __init__(
        self,
        setting: str,
        path: str,
        *,
        column: str,
        read_key: Callable[[str], str] | None = None,
        is_valid: Callable[[str], bool] = is_valid_filter_value,
        rule: str = _VALUE_RULE,
    ) -> None:
        self._setting = setting
        self._path = path
        self._file = KeyFile(setting, path, column)
        self._read_key = read_key
        summary = KeySummary(is_valid)
        self._marks = ChunkMarks.of(_chunks(summary.add_each(self._keys()), 0))
        summary.raise_if_invalid(f"{setting}: {path}", rule, "line")
        self.total = summary.count
        self.digest = summary.digest
        self.made_at = modified_at(path)
        self.end = self._marks.ends[-1]
        self._file.warn_of_rows_without_key()

    def _keys(self) -> Iterator[str]:
        keys = self._file.keys()
        return map(self._read_key, keys) if self._read_key else keys

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield chunks of keys, beginning with the chunk that contains line `start` (from 0).

        Raises:
            ChangedFileError: The file has changed since it was first read.
        """
        line = self._marks.line_before(start)
        chunks = _chunks(itertools.islice(self._keys(), line, None), line)
        return self._marks.checked(chunks, start, self._setting, self._path)


class LeadRange:
    """A range of lead IDs.

    Args:
        first: First lead ID.
        last: Last lead ID, inclusive.
        keys_per_chunk: Number of IDs looked up by one call.
    """

    made_at: str | None = None

    def __init__(self, first: int, last: int, keys_per_chunk: int = KEYS_PER_CALL) -> None:
        self._first = first
        self._keys_per_chunk = keys_per_chunk
        self.total = self.end = last - first + 1
        self.digest = range_digest(first, last)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield chunks of lead IDs, beginning with the ID at offset `start` in the range."""
        for offset in range(start, self.total, self._keys_per_chunk):
            end = min(offset + self._keys_per_chunk, self.total)
            ids = range(self._first + offset, self._first + end)
            yield Chunk(offset, end, tuple(map(str, ids)))


def _chunks(given: Iterable[str], start: int) -> Iterator[Chunk]:
    keys: dict[str, None] = {}
    end = start
    for end, key in enumerate(given, start + 1):
        if key:
            keys[key] = None
        if len(keys) == KEYS_PER_CALL:
            yield Chunk(start, end, tuple(keys))
            start, keys = end, {}
    if keys:
        yield Chunk(start, end, tuple(keys))
