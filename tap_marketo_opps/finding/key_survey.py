"""What the first reading of a file finds out: how many keys it has, and what the next must find."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import typing as t
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from marketo_opps import SettingsError
from tap_marketo_opps.errors import ChangedFileError
from tap_marketo_opps.moments import to_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

VALUE_RULE = "values with a comma cannot be looked up"
_SAMPLE_SIZE = 5


class MarkedChunk(t.Protocol):
    """The keys of one call; its hash is that of all it holds."""

    @property
    def end(self) -> int:
        """Return where the next chunk begins."""


_Chunk = t.TypeVar("_Chunk", bound=MarkedChunk)


@dataclass(frozen=True, slots=True)
class ChunkMarks:
    """Where each chunk of a file ends, and a hash of it that is good within this process."""

    ends: array[int] = field(default_factory=lambda: array("Q"))
    hashes: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, chunks: Iterable[MarkedChunk]) -> ChunkMarks:
        """Return the marks of all chunks."""
        marks = cls()
        for chunk in chunks:
            marks.ends.append(chunk.end)
            marks.hashes.append(hash(chunk))
        return marks

    def line_before(self, start: int) -> int:
        """Return the line at which the chunk begins that the given line is in."""
        number = self._number(start)
        return self.ends[number - 1] if number else 0

    def checked(
        self, chunks: Iterable[_Chunk], start: int, setting: str, path: str
    ) -> Iterator[_Chunk]:
        """Yield the chunks of another reading, each once it is known to be what it was.

        Args:
            chunks: From the one on that the line is in.
            start: That line.
            setting: That names the file, for the error message.
            path: Of the file.

        Raises:
            ChangedFileError: One is not, or the file cannot be read again.
        """
        marks = itertools.islice(self.hashes, self._number(start), None)
        try:
            for chunk, mark in itertools.zip_longest(chunks, marks):
                if chunk is None or hash(chunk) != mark:
                    raise ChangedFileError(setting, path)
                yield chunk
        except SettingsError as error:
            if isinstance(error, ChangedFileError):
                raise
            raise ChangedFileError(setting, path) from error

    def _number(self, start: int) -> int:
        return bisect.bisect_right(self.ends, start)


class KeySummary:
    """Count and digest of all keys, and where those are that cannot be looked up.

    Args:
        is_valid: Returns True for a key that can be looked up.
    """

    def __init__(self, is_valid: Callable[[str], bool]) -> None:
        self._is_valid = is_valid
        self._hash = hashlib.sha256()
        self._invalid_count = 0
        self._first_invalid: list[int] = []
        self.count = 0

    @property
    def digest(self) -> str:
        """Return a digest of the keys."""
        return self._hash.hexdigest()[:32]

    def add_each(self, keys: Iterable[str], first: int = 1) -> Iterator[str]:
        """Take each key that is not empty into account, and yield all.

        Args:
            keys: In the order in which they are given.
            first: The number of the first one's place.
        """
        is_valid, take = self._is_valid, self._hash.update
        for number, key in enumerate(keys, first):
            if key:
                self.count += 1
                take(key.encode() + b"\n")
                if not is_valid(key):
                    self._note_invalid(number)
            yield key

    def _note_invalid(self, number: int) -> None:
        self._invalid_count += 1
        if len(self._first_invalid) < _SAMPLE_SIZE:
            self._first_invalid.append(number)

    def raise_if_invalid(self, where: str, rule: str, place: str) -> None:
        """Raise SettingsError if a key is invalid, or if there is none.

        Keys may be of any field, and are not quoted.
        """
        if self._invalid_count:
            named = ", ".join(f"{place} {number}" for number in self._first_invalid)
            more = self._invalid_count - len(self._first_invalid)
            raise SettingsError(
                f"{where}: {rule}: {named}" + (f", and {more:,} more." if more else ".")
            )
        if not self.count:
            raise SettingsError(f"{where} contains no values.")


def modified_at(path: str) -> str | None:
    """Return when a file was last changed; None where that cannot be known."""
    try:
        return to_iso_utc(datetime.fromtimestamp(Path(path).stat().st_mtime, UTC))
    except (OSError, ValueError, OverflowError):
        return None
