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
    """Counts of the entries in the last part of the activity log, by their age.

    The age of an entry is the time from its date to the end of that part of the log. Ages are
    divided into 60 groups of equal length, such as 0 to 59 seconds, 60 to 119 seconds, and so on.

    Attributes:
        until: Timestamp of the end of that part.
        seconds: Length of that part.
        types: Type IDs of the entries counted.
        counts: Number of entries by the number of their age group, which is 0 for the youngest.
    """

    until: str
    seconds: int
    types: tuple[int, ...]
    counts: Counts = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Return the length of one age group in seconds, such as 60 for ages of 0 to 59 seconds.

        There are 60 age groups, so that the counts fit into a bookmark.
        """
        return max(1, -(-self.seconds // _STEPS))

    def add(self, dates: Iterable[str]) -> None:
        """Count entries of the log by their age, given their dates.

        Entries outside this last part of the log are not counted.
        """
        first = minus_seconds(self.until, self.seconds)
        for date in dates:
            if first <= date <= self.until:
                age = from_iso_utc(self.until) - from_iso_utc(date)
                step = int(age.total_seconds()) // self.step
                self.counts[step] = self.counts.get(step, 0) + 1

    def greatest_surplus(self, before: Counts) -> int:
        """Return the age of the oldest entries that an earlier count of the same part had missed.

        That is the greatest age of which these counts contain more entries than the earlier counts.

        Args:
            before: The earlier counts, by the number of the age group.

        Returns:
            The age in seconds; 0 if these counts do not contain more entries of any age.
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
    """The last part of the activity log, which the next run reads again.

    Attributes:
        seconds: Length of that part.
        tails: For each stream, the previous run's `LogTail` (counts of that part), as encoded in
            the stream's bookmark.
    """

    seconds: int = 0
    tails: Sequence[str] = ()

    def tail_seen(self, until: str | None, types: tuple[int, ...]) -> LogTail | None:
        """Return the previous run's counts of the last part of the log, to compare with new ones.

        Args:
            until: Timestamp up to which the previous run read the log.
            types: Type IDs of the entries that this run counts.

        Returns:
            The counts; None if there are none up to `until`, or only of entries of other types.
        """
        tails = filter(None, map(LogTail.decode, self.tails))
        return next((tail for tail in tails if (tail.until, tail.types) == (until, types)), None)


NO_OVERLAP = LogOverlap()


class LateEntries:
    """Measures during a run how late entries of the activity log become visible.

    An entry is late if the previous run has read the part of the log in which the entry is, and yet
    did not see it. The class counts entries by their age, and compares the counts with those of the
    previous run.

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
        """Count the log entries of one page by their age, given their dates."""
        seen = [*dates]
        self._last.add(seen)
        if self._again:
            self._again.add(seen)

    def void(self) -> None:
        """Discard the run's counts of log entries; from now on the other methods return no result.

        It is called when the run has to read some log entries twice, which makes the counts wrong.
        """
        self._is_void = True

    def position(self) -> Position:
        """Return the counts of log entries so far, as a dict to add to the position of the run.

        Return {} if the counts are not complete or were discarded.
        """
        if self._is_void:
            return {}
        again = self._again.counts if self._again else {}
        return {TAIL: {"last": _as_members(self._last.counts), "again": _as_members(again)}}

    def last_tail(self) -> str | None:
        """Return this run's counts of the entries in the last part of the log, as a string.

        It is saved in the bookmark, for the next run to compare with its own counts. Return None if
        the counts are not complete or were discarded.
        """
        return None if self._is_void or not self._overlap_seconds else self._last.encode()

    @property
    def seconds(self) -> int | None:
        """Return the longest delay, in seconds, of an entry that became visible in the log late.

        An entry is late if the previous run read its part of the log without seeing it. The real
        delay can be longer than the result. Return 0 if no entry was late, and None if nothing was
        measured.
        """
        if self._is_void or not (self._before and self._again):
            return None
        return self._again.greatest_surplus(self._before.counts)

    @property
    def is_alarming(self) -> bool:
        """Return True if log entries become visible so late that runs may soon miss some.

        That is so if the longest delay exceeds half of the time that each run reads again.
        """
        return 2 * (self.seconds or 0) > self._overlap_seconds


def _read_position(at: Position | None) -> tuple[Counts, Counts] | None:
    """Return the counts of log entries that an interrupted run saved in its position.

    There are two: counts of the last part of the log, and of the part that was read again. Both are
    empty if the position is None, as in a new run. Return None if the position has no counts.
    """
    if at is None:
        return {}, {}
    try:
        return _read_counts(at[TAIL]["last"]), _read_counts(at[TAIL]["again"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


def _as_members(counts: Counts) -> dict[str, int]:
    """Return a copy of counts with the keys that JSON gives them.

    So the position of a resumed run, which was read from a state, equals one with the same counts.
    """
    return {str(step): count for step, count in counts.items()}


def _read_counts(members: Mapping[str, t.Any]) -> Counts:
    return {int(step): int(count) for step, count in members.items()}
