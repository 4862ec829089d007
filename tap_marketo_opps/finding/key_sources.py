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

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KEYS_PER_CALL = MAX_BATCH_RECORDS
_NAMED_AT_MOST = 5
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

    `total` counts the keys, twice given ones twice; `digest` tells one content from another.
    """

    total: int
    digest: str

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The keys from a chunk's beginning on, up to 300 distinct ones at a time."""


class ListedKeys:
    """Keys given in a setting."""

    def __init__(self, setting: str, values: Iterable[t.Any]) -> None:
        """Take the values of a setting.

        Raises:
            SettingsError: there are none, or one of them cannot be looked up.
        """
        self._lines = [str(value) for value in values]
        _check_characters(setting, self._lines)
        survey = _Survey(_cannot_be_asked_for)
        deque(survey.look_along(self._lines), maxlen=0)
        survey.raise_if_unfit(setting, "a value that holds a comma cannot be looked up", "value")
        self.total = survey.count
        self.digest = survey.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The keys from the given index on."""
        return _chunks(self._lines[start:], start)


class ChangedFileError(SettingsError):
    """A file of keys is no longer what it was when they were counted, or cannot be read again."""

    def __init__(self, setting: str, path: str) -> None:
        super().__init__(
            f"{setting}: {path} was changed or removed while this run was reading it, so what is "
            "looked up would not be what was counted: leave the file as it is until the run has "
            "ended, and start again with the last STATE."
        )


class FileKeys:
    """Keys in a file, one a line; never all in memory.

    It is read once to count and check its keys, and again to look them up. What is looked up is
    what the digest, and so each bookmark, speaks of: 16 bytes a chunk tell what it was.
    """

    def __init__(
        self,
        setting: str,
        path: str,
        *,
        unfit: Callable[[str], bool] | None = None,
        rule: str = "a value that holds a comma cannot be looked up",
    ) -> None:
        """Read the file once through, to count and check it.

        Args:
            setting: which setting names the file, for error messages.
            path: of a text file in UTF-8, or in UTF-16 with its byte order mark.
            unfit: whether a key cannot be looked up; by default, whether it holds a comma.
            rule: what such a key is told.

        Raises:
            SettingsError: it cannot be read, holds no keys, or a key cannot be looked up.
        """
        self._setting = setting
        self._path = path
        survey = _Survey(unfit or _cannot_be_asked_for)
        with self._open() as lines:
            self._marks = _Marks.of(survey.look_along(self._decoded(lines)))
        survey.raise_if_unfit(f"{setting}: {path}", rule, "line")
        self.total = survey.count
        self.digest = survey.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The keys from the given line (counted from 0) on.

        Raises:
            ChangedFileError: they are not what they were.
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
            for number, line in enumerate(lines, 1):  # noqa: B007 - told when the next one fails
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
    """Lead ids from one number to another, both included."""

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self.total = last - first + 1
        self.digest = f"{first}-{last}"

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The ids from the given one (counted from the first) on."""
        for offset in range(start, self.total, KEYS_PER_CALL):
            end = min(offset + KEYS_PER_CALL, self.total)
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


def _cannot_be_asked_for(key: str) -> bool:
    return not is_valid_filter_value(key)


def is_no_lead_id(key: str) -> bool:
    """Whether a line of a lead id file cannot be a lead id."""
    return not (key.isascii() and key.isdigit())


class _Survey:
    """What one look through all keys finds.

    Args:
        is_unfit: whether a key cannot be looked up.
    """

    def __init__(self, is_unfit: Callable[[str], bool]) -> None:
        self._is_unfit = is_unfit
        self._hash = hashlib.sha256()
        self._unfit: list[str] = []
        self._unfit_count = 0
        self.count = 0

    @property
    def digest(self) -> str:
        """What tells these keys from others."""
        return self._hash.hexdigest()[:32]

    def look_along(self, lines: Iterable[str]) -> Iterator[str]:
        """Look at each line, and hand it on."""
        for number, line in enumerate(lines, 1):
            if key := line.strip():
                self.count += 1
                self._hash.update(key.encode() + b"\n")
                if self._is_unfit(key):
                    self._note_unfit(f"{number} {key!r}")
            yield line

    def _note_unfit(self, named: str) -> None:
        self._unfit_count += 1
        if len(self._unfit) < _NAMED_AT_MOST:
            self._unfit.append(named)

    def raise_if_unfit(self, where: str, rule: str, place: str) -> None:
        """Raise what is wrong with the keys, if anything is."""
        if self._unfit_count:
            named = ", ".join(f"{place} {item}" for item in self._unfit)
            more = self._unfit_count - len(self._unfit)
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
