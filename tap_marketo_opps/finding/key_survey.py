"""Count, digest and validity of keys, and checks that a file does not change between readings."""

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
from tap_marketo_opps.timestamps import to_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SAMPLE_SIZE = 5


class MarkedChunk(t.Protocol):
    """Interface of a chunk of a file's keys, whose Python hash depends on all of its content."""

    @property
    def end(self) -> int:
        """Return the number of the line or row of the file with which the next chunk begins."""


_Chunk = t.TypeVar("_Chunk", bound=MarkedChunk)


@dataclass(frozen=True, slots=True)
class ChunkMarks:
    """The end and the hash of each chunk of keys in a file that is read twice during a run.

    The hashes show whether the file was changed in between. They are valid only within this
    process.
    """

    ends: array[int] = field(default_factory=lambda: array("Q"))
    hashes: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, chunks: Iterable[MarkedChunk]) -> ChunkMarks:
        """Return the `ChunkMarks` of a file: the end and the hash of each of its chunks."""
        marks = cls()
        for chunk in chunks:
            marks.ends.append(chunk.end)
            marks.hashes.append(hash(chunk))
        return marks

    def line_before(self, start: int) -> int:
        """Return the number of the first line of the chunk that contains line number `start`."""
        number = self._number(start)
        return self.ends[number - 1] if number else 0

    def checked(
        self, chunks: Iterable[_Chunk], start: int, setting: str, path: str
    ) -> Iterator[_Chunk]:
        """Yield the chunks of a file that is read for the second time, after checking each.

        A chunk must have the same hash as in the first reading.

        Args:
            chunks: Chunks from the one that contains the line `start`.
            start: Number of the line with which the second reading begins.
            setting: Name of the setting that names the file, for messages.
            path: Path of the file.

        Raises:
            ChangedFileError: A chunk differs, or the file cannot be read again.
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
    """Counts keys and computes their digest, and notes which keys cannot be looked up.

    Args:
        is_valid: Returns True for a key that can be looked up.

    Attributes:
        count: Number of keys counted so far.
    """

    def __init__(self, is_valid: Callable[[str], bool]) -> None:
        self._is_valid = is_valid
        self._hash = hashlib.sha256()
        self._invalid_count = 0
        self._first_invalid: list[int] = []
        self.count = 0

    @property
    def digest(self) -> str:
        """Return a digest of the keys counted so far, as 32 hexadecimal digits."""
        return self._hash.hexdigest()[:32]

    def add_each(self, keys: Iterable[str], first: int = 1) -> Iterator[str]:
        """Count each key and check that it can be looked up; yield all keys unchanged.

        Empty keys are neither counted nor checked.

        Args:
            keys: Keys in their order.
            first: Number of the first key, such as its line number.
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
        """Raise SettingsError if a counted key cannot be looked up, or if there are no keys.

        The message does not quote keys, because they may be values of any field.

        Args:
            where: Beginning of the message: the setting and the file.
            rule: Message about invalid keys.
            place: What the numbers of keys count: "line", "row" or "value".
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
    """Return the timestamp of a file's last modification; None if it is not available."""
    try:
        return to_iso_utc(datetime.fromtimestamp(Path(path).stat().st_mtime, UTC))
    except (OSError, ValueError, OverflowError):
        return None
