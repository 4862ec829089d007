"""Measurement of how late entries of the activity log become visible; pure.

Each run counts the entries in the last part of the log by their age at the beginning of the run.
The next run reads that part again. If it finds more entries of an age, then an entry became visible
between the runs, so it became visible later than at that age.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from tap_marketo_opps.timestamps import from_iso_utc, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_marketo_opps.finding.resume_point import Position, ResumePoint

TAIL = "tail"
_STEPS = 60

Counts = dict[int, int]
"""Number of entries by age group (see `LogTail.step`)."""


@dataclass(frozen=True, slots=True)
class LogTail:
    """The number of entries in the last part of the log, by their age.

    Attributes:
        until: Timestamp of the end of that part.
        seconds: Length of that part.
        types: Type IDs of the entries counted.
        counts: Number of entries by age group (see `step`), numbered from 0.
    """

    until: str
    seconds: int
    types: tuple[int, ...]
    counts: Counts = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Return the length in seconds of an age group.

        Ages are counted in 60 groups, so that the counts fit into a bookmark.
        """
        return max(1, -(-self.seconds // _STEPS))

    def add(self, dates: Iterable[str]) -> None:
        """Count those entries that lie in this part of the log, given the dates of entries."""
        first = minus_seconds(self.until, self.seconds)
        for date in dates:
            if first <= date <= self.until:
                age = from_iso_utc(self.until) - from_iso_utc(date)
                step = int(age.total_seconds()) // self.step
                self.counts[step] = self.counts.get(step, 0) + 1

    def greatest_surplus(self, before: Counts) -> int:
        """Return the greatest age of entries that are more numerous than in earlier counts.

        Args:
            before: Earlier counts of the same part of the log.

        Returns:
            The age in seconds; 0 if there are not more entries of any age.
        """
        more = (step for step, count in self.counts.items() if count > before.get(step, 0))
        return max(more, default=0) * self.step

    def encode(self) -> str:
        """Return all attributes as one string in JSON, for a bookmark."""
        members = {"until": self.until, "seconds": self.seconds, "types": self.types}
        return json.dumps({**members, "counts": self.counts}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> LogTail | None:
        """Return the `LogTail` that `encode` wrote as this string; None for any other string."""
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
    """The last part of the log, which the next run reads again.

    Attributes:
        seconds: Length of that part.
        tails: Encoded `LogTail` of each bookmark, left by the previous run.
    """

    seconds: int = 0
    tails: Sequence[str] = ()

    def tail_seen(self, until: str | None, types: tuple[int, ...]) -> LogTail | None:
        """Return the counts of the previous run, to compare this run's counts with.

        Args:
            until: Timestamp up to which the previous run read the log.
            types: Type IDs of the entries that this run counts.

        Returns:
            The counts; None if the previous run counted entries of other types, or to another time.
        """
        tails = filter(None, map(LogTail.decode, self.tails))
        return next((tail for tail in tails if (tail.until, tail.types) == (until, types)), None)


NO_OVERLAP = LogOverlap()


class LateEntries:
    """Measures during a run how late entries of the activity log become visible.

    Args:
        types: Type IDs of the entries to count.
        overlap: The part of the log that is read again, and the previous run's counts of it.
        resume: Resume point of the run.
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
        """Count the log entries of a page, given their dates."""
        seen = [*dates]
        self._last.add(seen)
        if self._again:
            self._again.add(seen)

    def void(self) -> None:
        """Stop measuring in this run, because it is going to read some entries twice."""
        self._is_void = True

    def position(self) -> Position:
        """Return the counts so far as a member of a position; {} if they are not complete."""
        if self._is_void:
            return {}
        again = self._again.counts if self._again else {}
        # Copies, because more pages are counted before this position is encoded.
        return {TAIL: {"last": {**self._last.counts}, "again": {**again}}}

    def last_tail(self) -> str | None:
        """Return the encoded counts of this run, for a bookmark; None if not measured.

        The next run compares them with its own counts.
        """
        return None if self._is_void or not self._overlap_seconds else self._last.encode()

    @property
    def seconds(self) -> int | None:
        """Return how many seconds late, at least, the latest entry was; None if not measured."""
        if self._is_void or not (self._before and self._again):
            return None
        return self._again.greatest_surplus(self._before.counts)

    @property
    def is_alarming(self) -> bool:
        """Return True if the delay exceeds half of the overlap: entries may soon be missed."""
        return 2 * (self.seconds or 0) > self._overlap_seconds


def _read_position(at: Position | None) -> tuple[Counts, Counts] | None:
    """Return both counts that an interrupted run saved in its position; None if it saved none.

    One is of the last part of the log, the other of the part that was read again. Both are empty if
    the position is None, as in a new run.
    """
    if at is None:
        return {}, {}
    try:
        return _read_counts(at[TAIL]["last"]), _read_counts(at[TAIL]["again"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


def _read_counts(members: Mapping[str, t.Any]) -> Counts:
    return {int(step): int(count) for step, count in members.items()}
