"""Where the keys to look up come from: a setting, a file of any length, a range of lead ids."""

from __future__ import annotations

import bisect
import codecs
import hashlib
import itertools
import typing as t
from array import array
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from marketo_opps import MAX_BATCH_RECORDS, SettingsError, is_valid_filter_value
from tap_marketo_opps.errors import ChangedFileError
from tap_marketo_opps.finding.lead_ranges import range_digest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KEYS_PER_CALL = MAX_BATCH_RECORDS
_SAMPLE_SIZE = 5
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


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
    """

    total: int
    digest: str

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

    def __init__(self, setting: str, values: Iterable[t.Any]) -> None:
        self._lines = [str(value) for value in values]
        _check_characters(setting, self._lines)
        summary = _KeySummary(_is_invalid_value)
        deque(summary.add_each(self._lines), maxlen=0)
        summary.raise_if_invalid(setting, "a value that holds a comma cannot be looked up", "value")
        self.total = summary.count
        self.digest = summary.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield the keys from the given index on."""
        return _chunks(self._lines[start:], start)


class FileKeys:
    """Keys in a file, one a line; never all in memory.

    It is read once to count and check its keys, and again to look them up. What is looked up is
    what the digest, and so each bookmark, is of: 16 bytes a chunk are kept to compare.
    """

    def __init__(
        self,
        setting: str,
        path: str,
        *,
        is_invalid: Callable[[str], bool] | None = None,
        rule: str = "a value that holds a comma cannot be looked up",
    ) -> None:
        self._setting = setting
        self._path = path
        summary = _KeySummary(is_invalid or _is_invalid_value)
        with self._open() as lines:
            self._marks = _Marks.of(summary.add_each(self._decoded(lines)))
        summary.raise_if_invalid(f"{setting}: {path}", rule, "line")
        self.total = summary.count
        self.digest = summary.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Yield the keys from the given line (counted from 0) on.

        Raises:
            ChangedFileError: They are not what they were.
        """
        marks = self._marks.after(start)
        chunks = self._read_again(self._marks.line_before(start))
        for chunk, mark in itertools.zip_longest(chunks, marks):
            if chunk is None or hash(chunk) != mark:
                raise ChangedFileError(self._setting, self._path)
            yield chunk

    def _read_again(self, start: int) -> Iterator[Chunk]:
        try:
            with self._open() as lines:
                yield from _chunks(itertools.islice(self._decoded(lines), start, None), start)
        except SettingsError as error:
            raise ChangedFileError(self._setting, self._path) from error

    def _open(self) -> t.TextIO:
        path = Path(self._path)
        try:
            if path.exists() and not path.is_file():
                raise SettingsError(f"{self._setting}: {path} is no regular file.")
            with path.open("rb") as file:
                mark = file.read(3)
            return path.open(encoding=_encoding(mark))
        except OSError as error:
            raise self._unreadable(error) from error
        except ValueError:
            # A NUL in it, or half of a surrogate pair.
            raise SettingsError(f"{self._setting}: cannot read {path}: it is no path.") from None

    def _unreadable(self, error: OSError) -> SettingsError:
        return SettingsError(f"{self._setting}: cannot read {self._path}: {error.strerror}.")

    def _decoded(self, lines: t.TextIO) -> Iterator[str]:
        number = 0
        try:
            for number, line in enumerate(lines, 1):  # noqa: B007 - named when the next one fails
                yield line
        except UnicodeError as error:
            raise SettingsError(
                f"{self._setting}: {self._path} is not text in UTF-8, in line {number + 1} or "
                f"after it: save it as UTF-8 (or as UTF-16 with its byte order mark)."
            ) from error
        except OSError as error:
            raise self._unreadable(error) from error


@dataclass(frozen=True, slots=True)
class _Marks:
    """Where each chunk of a file ends, and a hash of it that is good within this process."""

    ends: array[int] = field(default_factory=lambda: array("Q"))
    hashes: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, lines: Iterable[str]) -> _Marks:
        """Return the marks of all chunks."""
        marks = cls()
        for chunk in _chunks(lines, 0):
            marks.ends.append(chunk.end)
            marks.hashes.append(hash(chunk))
        return marks

    def line_before(self, start: int) -> int:
        """Return the line at which the chunk begins that the given line is in."""
        number = self._number(start)
        return self.ends[number - 1] if number else 0

    def after(self, start: int) -> Iterator[int]:
        """Return the hashes of that chunk, and of those after it."""
        return itertools.islice(self.hashes, self._number(start), None)

    def _number(self, start: int) -> int:
        return bisect.bisect_right(self.ends, start)


class LeadRange:
    """Lead ids from one number to another, both included.

    Args:
        first: The first one.
        last: The last one.
        keys_per_chunk: How many are looked up by a call.
    """

    def __init__(self, first: int, last: int, keys_per_chunk: int = KEYS_PER_CALL) -> None:
        self._first = first
        self._keys_per_chunk = keys_per_chunk
        self.total = last - first + 1
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
                f"{setting}: value {number} holds half of a surrogate pair, which is no character."
            ) from None


def _is_invalid_value(key: str) -> bool:
    return not is_valid_filter_value(key)


def is_invalid_lead_id(key: str) -> bool:
    """Return True if a line of a lead id file cannot be a lead id."""
    return not (key.isascii() and key.isdigit())


class _KeySummary:
    """Count and digest of all keys, and those that cannot be looked up.

    Args:
        is_invalid: Returns True for a key that cannot be looked up.
    """

    def __init__(self, is_invalid: Callable[[str], bool]) -> None:
        self._is_invalid = is_invalid
        self._hash = hashlib.sha256()
        self._sample: list[str] = []
        self._invalid_count = 0
        self.count = 0

    @property
    def digest(self) -> str:
        """Return a digest of the keys."""
        return self._hash.hexdigest()[:32]

    def add_each(self, lines: Iterable[str]) -> Iterator[str]:
        """Take each line into account, and yield it."""
        for number, line in enumerate(lines, 1):
            if key := line.strip():
                self.count += 1
                self._hash.update(key.encode() + b"\n")
                if self._is_invalid(key):
                    self._note_invalid(f"{number} {key!r}")
            yield line

    def _note_invalid(self, named: str) -> None:
        self._invalid_count += 1
        if len(self._sample) < _SAMPLE_SIZE:
            self._sample.append(named)

    def raise_if_invalid(self, where: str, rule: str, place: str) -> None:
        """Raise SettingsError if a key is invalid, or if there is none."""
        if self._invalid_count:
            named = ", ".join(f"{place} {item}" for item in self._sample)
            more = self._invalid_count - len(self._sample)
            raise SettingsError(
                f"{where}: {rule}: {named}" + (f", and {more} more." if more else ".")
            )
        if not self.count:
            raise SettingsError(f"{where} holds no values.")


def _chunks(lines: Iterable[str], start: int) -> Iterator[Chunk]:
    keys: dict[str, None] = {}
    end = start
    for end, line in enumerate(lines, start + 1):
        if key := line.strip():
            keys[key] = None
        if len(keys) == KEYS_PER_CALL:
            yield Chunk(start, end, tuple(keys))
            start, keys = end, {}
    if keys:
        yield Chunk(start, end, tuple(keys))


def _encoding(mark: bytes) -> str:
    for byte_order_mark, encoding in _BYTE_ORDER_MARKS.items():
        if mark.startswith(byte_order_mark):
            return encoding
    return "utf-8"
