"""The position and the counts of an interrupted reconcile, as one string; pure."""

from __future__ import annotations

import itertools
import json
import typing as t
from dataclasses import asdict, dataclass, field

from tap_marketo_opps.finding.positions import PositionError

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION = 1


@dataclass(slots=True)
class Counts:
    """Counts of warehouse rows over all attempts of a reconcile run, by result of the comparison.

    Attributes:
        alike: Rows that are equal to the record in Marketo.
        changed: Rows that differ from the record in Marketo, which was emitted.
        untold: Changed rows that earlier runs should have updated, had the activity log contained
            the change.
        gone: Rows for which a tombstone was written, because Marketo no longer has the record.
        known_gone: Rows not found in Marketo that were already marked as deleted.
        living: Rows looked up that were not marked as deleted.
        undated: Changed rows whose `updatedAt` in the file is not a date-time.
    """

    alike: int = 0
    changed: int = 0
    untold: int = 0
    gone: int = 0
    known_gone: int = 0
    living: int = 0
    undated: int = 0

    def add(self, other: Counts) -> None:
        """Add each of the counts in `other` to the count of the same name in this object."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True)
class Progress:
    """How far a run with `find_by: reconcile` has come in looking up warehouse rows.

    Attributes:
        next_row: Number of the first row that has not been looked up.
        pending: Numbers of earlier rows that were not found, and have to be looked up again.
        counts: Counts of the rows looked up so far, by result.
    """

    next_row: int = 0
    pending: dict[int, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def encode(self, fingerprint: str) -> str:
        """Return the progress as one string, for a bookmark.

        It is not an object, because Meltano merges objects in states deeply and cannot delete keys.

        Args:
            fingerprint: Digest of the file and the settings for which the progress is valid.
        """
        members = {
            "v": _VERSION,
            "fingerprint": fingerprint,
            "next": self.next_row,
            "missing": _encode_numbers(sorted(self.pending)),
            "counts": asdict(self.counts),
        }
        return json.dumps(members, separators=(",", ":"))

    @classmethod
    def decode(cls, text: t.Any, fingerprint: str) -> Progress | None:
        """Return the progress that `encode` wrote as a string.

        Args:
            text: The string.
            fingerprint: Digest of the file and the settings of this run.

        Returns:
            The progress; None if it belongs to another file or other settings.

        Raises:
            PositionError: The string cannot be read.
        """
        try:
            members = json.loads(text)
            version, found = members["v"], members["fingerprint"]
            pending = dict.fromkeys(_decode_numbers(members["missing"]))
            decoded = cls(members["next"], pending, Counts(**members["counts"]))
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise PositionError from error
        if version != _VERSION or not decoded.is_possible:
            raise PositionError
        return decoded if found == fingerprint else None

    def is_at_end(self, total: int) -> bool:
        """Return True if no row of a file of `total` rows is left to look up."""
        return self.next_row >= total and not self.pending

    @property
    def is_possible(self) -> bool:
        """Return True if all numbers in this progress, which was read from a state, are valid.

        They must be integers and not negative, and pending rows must be before `next_row`.
        """
        numbers = (self.next_row, *asdict(self.counts).values())
        return all(number.__class__ is int and number >= 0 for number in numbers) and all(
            0 <= number < self.next_row for number in self.pending
        )


def _encode_numbers(numbers: Iterable[int]) -> str:
    """Return ascending numbers as a short string, in which each is replaced by a difference.

    It is the difference to the number before: 7, 9 and 12 become "7,2,3".
    """
    steps = (number - before for before, number in itertools.pairwise((0, *numbers)))
    return ",".join(map(str, steps))


def _decode_numbers(text: str) -> list[int]:
    """Return the ascending numbers that `_encode_numbers` wrote as this string."""
    return [*itertools.accumulate(int(step) for step in text.split(","))] if text else []
