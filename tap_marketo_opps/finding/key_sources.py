"""Where the keys to look up come from: a setting, a file of any length, a range of lead ids."""

from __future__ import annotations

import codecs
import hashlib
import itertools
import typing as t
from dataclasses import dataclass
from pathlib import Path

from marketo_opps import MAX_BATCH_RECORDS, SettingsError, is_valid_filter_value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
        survey = _survey(enumerate(map(str.strip, self._lines), 1), _cannot_be_asked_for)
        survey.raise_if_unfit(setting, "a value that holds a comma cannot be looked up", "value")
        self.total = survey.count
        self.digest = survey.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The keys from the given index on."""
        return _chunks(self._lines[start:], start)


class FileKeys:
    """Keys in a file, one a line; never all in memory."""

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
        with self._open() as lines:
            numbered = enumerate(map(str.strip, self._decoded(lines)), 1)
            survey = _survey(numbered, unfit or _cannot_be_asked_for)
        survey.raise_if_unfit(f"{setting}: {path}", rule, "line")
        self.total = survey.count
        self.digest = survey.digest

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The keys from the given line (counted from 0) on."""
        with self._open() as lines:
            yield from _chunks(itertools.islice(self._decoded(lines), start, None), start)

    def _open(self) -> t.TextIO:
        path = Path(self._path)
        try:
            if path.exists() and not path.is_file():
                raise SettingsError(f"{self._setting}: {path} is no regular file.")
            with path.open("rb") as file:
                mark = file.read(3)
            return path.open(encoding=_encoding(mark))
        except OSError as error:
            raise SettingsError(
                f"{self._setting}: cannot read {path}: {error.strerror}."
            ) from error
        except ValueError:
            # A NUL in it, or half of a surrogate pair.
            raise SettingsError(f"{self._setting}: cannot read {path}: it is no path.") from None

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


@dataclass
class _Survey:
    """What one look through all keys has found."""

    count: int
    digest: str
    unfit: Sequence[str]
    unfit_count: int

    def raise_if_unfit(self, where: str, rule: str, place: str) -> None:
        if self.unfit_count:
            named = ", ".join(f"{place} {item}" for item in self.unfit)
            more = self.unfit_count - len(self.unfit)
            raise SettingsError(
                f"{where}: {rule}: {named}" + (f", and {more} more." if more else ".")
            )
        if not self.count:
            raise SettingsError(f"{where} holds no values.")


def _survey(numbered: Iterable[tuple[int, str]], unfit: Callable[[str], bool]) -> _Survey:
    digest = hashlib.sha256()
    count = unfit_count = 0
    named: list[str] = []
    for number, key in numbered:
        if not key:
            continue
        count += 1
        digest.update(key.encode() + b"\n")
        if unfit(key):
            unfit_count += 1
            if len(named) < _NAMED_AT_MOST:
                named.append(f"{number} {key!r}")
    return _Survey(count, digest.hexdigest()[:32], named, unfit_count)


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
