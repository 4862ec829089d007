"""How late entries of the activity log become visible; pure.

Each run counts the entries in the last stretch of the log, by how long before its beginning they
are dated. The next run reads that stretch again: where it finds more of one age, an entry has
become visible in between, so it did later than that age.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from tap_marketo_opps.moments import from_iso_utc, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_marketo_opps.finding.resume_point import Position, ResumePoint

TAIL = "tail"
_STEPS = 60

Counts = dict[int, int]
"""Ages, in steps, to how many entries are of that age."""


@dataclass(frozen=True, slots=True)
class LogTail:
    """The last stretch of a log: its entries, counted by age.

    Attributes:
        until: Its end.
        seconds: How long it is.
        types: Ids of the types of its entries.
        counts: Of them.
    """

    until: str
    seconds: int
    types: tuple[int, ...]
    counts: Counts = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Return how many seconds are counted as one age."""
        return max(1, -(-self.seconds // _STEPS))

    def add(self, dates: Iterable[str]) -> None:
        """Count the entries of these dates that lie in it."""
        first = minus_seconds(self.until, self.seconds)
        for date in dates:
            if first <= date <= self.until:
                age = from_iso_utc(self.until) - from_iso_utc(date)
                step = int(age.total_seconds()) // self.step
                self.counts[step] = self.counts.get(step, 0) + 1

    def greatest_surplus(self, before: Counts) -> int:
        """Return the greatest age, in seconds, of which it has more than there were before."""
        more = (step for step, count in self.counts.items() if count > before.get(step, 0))
        return max(more, default=0) * self.step

    def encode(self) -> str:
        """Return it as one string, for a bookmark."""
        members = {"until": self.until, "seconds": self.seconds, "types": self.types}
        return json.dumps({**members, "counts": self.counts}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> LogTail | None:
        """Read what `encode` made a string of; None for anything else."""
        try:
            members = json.loads(text)
            return cls(
                str(members["until"]),
                int(members["seconds"]),
                tuple(map(int, members["types"])),
                _read_counts(members["counts"]),
            )
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class LogOverlap:
    """The stretch of the log that each run reads again.

    Attributes:
        seconds: How long it is.
        tails: What bookmarks hold of it, as text.
    """

    seconds: int = 0
    tails: Sequence[str] = ()

    def tail_seen(self, until: str | None, types: tuple[int, ...]) -> LogTail | None:
        """Return what the walk that ended then has seen, if it counted the same types."""
        tails = filter(None, map(LogTail.decode, self.tails))
        return next((tail for tail in tails if (tail.until, tail.types) == (until, types)), None)


NO_OVERLAP = LogOverlap()


class LateEntries:
    """Measures, in one walk of the log, how late entries become visible.

    Args:
        types: Ids of the types of entries that are counted.
        overlap: What the next run reads again, and what the one before has seen of it.
        resume: Where the walk begins.
    """

    def __init__(self, types: Iterable[int], overlap: LogOverlap, resume: ResumePoint) -> None:
        kinds, seconds = tuple(sorted(types)), overlap.seconds
        self._overlap_seconds = seconds
        self._before = overlap.tail_seen(resume.cursor, kinds)
        counted = _read_position(resume.at)
        begins_too_late = (resume.log_from or resume.began) > minus_seconds(resume.began, seconds)
        self._is_void = counted is None or begins_too_late
        last, again = counted or ({}, {})
        self._last = LogTail(resume.began, seconds, kinds, last)
        self._again = replace(self._before, counts=again) if self._before else None

    def take(self, dates: Iterable[str]) -> None:
        """Count a page's entries."""
        seen = [*dates]
        self._last.add(seen)
        if self._again:
            self._again.add(seen)

    def void(self) -> None:
        """Measure nothing in this walk: some of its entries come twice."""
        self._is_void = True

    def position(self) -> Position:
        """Return what is counted so far; nothing where that is not all."""
        if self._is_void:
            return {}
        again = self._again.counts if self._again else {}
        # Copies: a position is encoded when its page is written, and others are read by then.
        return {TAIL: {"last": {**self._last.counts}, "again": {**again}}}

    def last_tail(self) -> str | None:
        """Return what the next run compares with, as text."""
        return None if self._is_void or not self._overlap_seconds else self._last.encode()

    @property
    def seconds(self) -> int | None:
        """Return how late the latest one became visible at least; None if that is not known."""
        if self._is_void or not (self._before and self._again):
            return None
        return self._again.greatest_surplus(self._before.counts)

    @property
    def is_alarming(self) -> bool:
        """Return True if half of the overlap has been passed: soon an entry may be missed."""
        return 2 * (self.seconds or 0) > self._overlap_seconds


def _read_position(at: Position | None) -> tuple[Counts, Counts] | None:
    """Return what an earlier attempt has counted; None if that is not in its position."""
    if at is None:
        return {}, {}
    try:
        return _read_counts(at[TAIL]["last"]), _read_counts(at[TAIL]["again"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


def _read_counts(members: Mapping[str, t.Any]) -> Counts:
    return {int(step): int(count) for step, count in members.items()}
