"""Where an interrupted reconcile stands, as one string, and what it has counted; pure."""

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
    """Counts of rows, over all attempts.

    Attributes:
        alike: Those that are as Marketo has them.
        changed: Those whose records were emitted.
        untold: Of these, those that changed before the log's bookmark.
        gone: Those that got a tombstone.
        known_gone: Those that had one already.
        living: Those looked up that the warehouse does not hold for gone.
    """

    alike: int = 0
    changed: int = 0
    untold: int = 0
    gone: int = 0
    known_gone: int = 0
    living: int = 0

    def add(self, other: Counts) -> None:
        """Add others' counts to these."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True)
class Progress:
    """How far a reconcile is.

    Attributes:
        next_row: The first row that is not looked up.
        pending: Numbers of the rows before it that were not found, and are not looked up again.
        counts: Of all that is done.
    """

    next_row: int = 0
    pending: dict[int, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def encode(self, fingerprint: str) -> str:
        """Return it as one string: Meltano merges deeply, and cannot delete a key.

        Args:
            fingerprint: Of what it is a place in.
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
        """Read what `encode` made a string of; None for a place in something else.

        Raises:
            PositionError: It cannot be read.
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

    @property
    def is_possible(self) -> bool:
        """Return True if each member can be what it says."""
        numbers = (self.next_row, *asdict(self.counts).values())
        return all(number.__class__ is int and number >= 0 for number in numbers) and all(
            0 <= number < self.next_row for number in self.pending
        )


def _encode_numbers(numbers: Iterable[int]) -> str:
    """Return ascending numbers in few bytes: the first one, and by how much each is greater."""
    steps = (number - before for before, number in itertools.pairwise((0, *numbers)))
    return ",".join(map(str, steps))


def _decode_numbers(text: str) -> list[int]:
    """Return the numbers that `_encode_numbers` was given."""
    return [*itertools.accumulate(int(step) for step in text.split(","))] if text else []
