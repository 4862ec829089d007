"""Where the keys to look up come from: a setting, a file of any length, a range of lead ids."""

from __future__ import annotations

import itertools
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, SettingsError, is_valid_filter_value
from tap_marketo_opps.finding.key_lines import KeyFile
from tap_marketo_opps.finding.key_survey import VALUE_RULE, ChunkMarks, KeySummary, modified_at
from tap_marketo_opps.finding.lead_ranges import range_digest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KEYS_PER_CALL = MAX_BATCH_RECORDS


@dataclass(frozen=True, slots=True)
class Chunk:
    """The keys of one call, and where they stand in their source.

    `start` and `end` are what `KeySource.chunks` takes: this chunk's beginning, the next one's.
    """

    start: int
    end: int
    keys: tuple[str, ...]


class KeySource(t.Protocol):
    """Keys in a fixed order, readable from any chunk on.

    Attributes:
        total: How many keys there are, twice given ones counted twice.
        digest: Differs where the keys do.
        made_at: When they were put together, where that is known.
        end: Where a chunk after the last one would begin.
    """

    total: int
    digest: str
    made_at: str | None
    end: int

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield the keys from a chunk's beginning on, up to 300 distinct ones at a time."""


class ListedKeys:
    """Keys given in a setting.

    Args:
        setting: Which one, for error messages.
        values: Of the setting.

    Raises:
        SettingsError: There are none, or one of them cannot be looked up.
    """

    made_at: str | None = None

    def __init__(self, setting: str, values: Iterable[t.Any]) -> None:
        self._keys = [str(value).strip() for value in values]
        _check_characters(setting, self._keys)
        summary = KeySummary(is_valid_filter_value)
        deque(summary.add_each(self._keys), maxlen=0)
        summary.raise_if_invalid(setting, VALUE_RULE, "value")
        self.total = summary.count
        self.digest = summary.digest
        self.end = len(self._keys)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield the keys from the given index on."""
        return _chunks(self._keys[start:], start)


class FileKeys:
    """Keys in a file, one a line or in a column; never all in memory.

    It is read once to count and check its keys, and again to look them up. What is looked up is
    what the digest, and so each bookmark, is of: 16 bytes a chunk are kept to compare.

    Args:
        setting: Which one names the file, for error messages.
        path: Of the file.
        column: The header of the keys' column, where the file has one.
        read_key: Returns a key in the form in which it is looked up.
        is_valid: Returns True for one that can be looked up.
        rule: Which keys cannot.

    Raises:
        SettingsError: It cannot be read, holds no keys, or one that cannot be looked up.
    """

    def __init__(
        self,
        setting: str,
        path: str,
        *,
        column: str,
        read_key: Callable[[str], str] | None = None,
        is_valid: Callable[[str], bool] = is_valid_filter_value,
        rule: str = VALUE_RULE,
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
        """Yield the keys from the given line (counted from 0) on.

        Raises:
            ChangedFileError: They are not what they were.
        """
        line = self._marks.line_before(start)
        chunks = _chunks(itertools.islice(self._keys(), line, None), line)
        return self._marks.checked(chunks, start, self._setting, self._path)


class LeadRange:
    """Lead ids from one number to another, both included.

    Args:
        first: The first one.
        last: The last one.
        keys_per_chunk: How many are looked up by a call.
    """

    made_at: str | None = None

    def __init__(self, first: int, last: int, keys_per_chunk: int = KEYS_PER_CALL) -> None:
        self._first = first
        self._keys_per_chunk = keys_per_chunk
        self.total = self.end = last - first + 1
        self.digest = range_digest(first, last)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield the ids from the given one (counted from the first) on."""
        for offset in range(start, self.total, self._keys_per_chunk):
            end = min(offset + self._keys_per_chunk, self.total)
            ids = range(self._first + offset, self._first + end)
            yield Chunk(offset, end, tuple(map(str, ids)))


def _check_characters(setting: str, values: Iterable[str]) -> None:
    for number, value in enumerate(values, 1):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SettingsError(
                f"{setting}: value {number} contains an unpaired surrogate, which is not valid "
                "Unicode."
            ) from None


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
