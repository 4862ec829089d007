"""What the run has done so far, in numbers and in log lines."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict

from target_marketo_opps.delivery.outcomes import Fate

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from marketo_opps import CallCounts, Reason
    from target_marketo_opps.delivery.outcomes import Delivery

_KEYS_PER_CODE = 5
_LONGEST_KEY = 100


def shown_key(parts: Iterable[t.Any]) -> str:
    """A record's key for a log line: on one line, not long, and nothing that is no key."""
    key = "/".join(map(_shown_part, parts))
    return key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY - 3]}..."


def _shown_part(part: t.Any) -> str:
    if part is None or part == "":
        return "(none)"
    if isinstance(part, dict):
        return "(an object)"
    if isinstance(part, list):
        return "(a list)"
    return "".join(each if each.isprintable() else "?" for each in str(part)[: _LONGEST_KEY + 1])


class Tally:
    """Counts what became of records, by stream; and of the rejected, by code.

    Attributes:
        rejected: rejected records of all streams; another thread may read it at any time.
        read: records that arrived.
    """

    def __init__(self) -> None:
        self.read = 0
        self.rejected = 0
        self.short_batches = 0
        self._own_creations = 0
        self._others_creations = 0
        self._untold_creations = 0
        self._fates: dict[str, Counter[Fate]] = {}
        self._codes: Counter[str] = Counter()
        self._messages: dict[str, str] = {}
        self._codes_of_several_messages: set[str] = set()
        self._keys: defaultdict[str, list[str]] = defaultdict(list)

    def begin(self, stream: str) -> None:
        """Have a stream in the closing line, even if nothing comes of it."""
        self._fates.setdefault(stream, Counter())

    def count(self, stream: str, fate: Fate, count: int = 1) -> None:
        """Count records that were not rejected."""
        self._fates[stream][fate] += count

    def reject(self, stream: str, key: str, reasons: Sequence[Reason]) -> None:
        """Count a rejected record, under the first of its reasons."""
        self._fates[stream][Fate.REJECTED] += 1
        self.rejected += 1
        code = reasons[0].code if reasons else "without a reason"
        self._codes[code] += 1
        if reasons and self._messages.setdefault(code, reasons[0].message) != reasons[0].message:
            self._codes_of_several_messages.add(code)
        if len(self._keys[code]) < _KEYS_PER_CODE:
            self._keys[code].append(key)

    def note_ambiguity(self, delivery: Delivery) -> None:
        """Count what `createOnly` met after a lost answer."""
        self._own_creations += delivery.own_creations
        self._others_creations += delivery.others_creations
        self._untold_creations += delivery.untold_creations

    @property
    def settled(self) -> int:
        """Records of which it is known what became of them."""
        return sum(sum(fates.values()) for fates in self._fates.values())

    def progress(self, counts: CallCounts, seconds: float) -> str:
        """One line on a run that goes on."""
        return (
            f"{self.read:,} records read, {self.settled:,} settled, {self.rejected:,} rejected, "
            f"{counts.calls:,} calls, {counts.retries:,} retries, {seconds:.0f} s."
        )

    def remarks(self) -> Iterator[str]:
        """What to say before the closing line."""
        if self.short_batches:
            yield f"{self.short_batches:,} calls were sent before they were full."
        if self._own_creations or self._others_creations or self._untold_creations:
            yield (
                f"After lost answers, {self._own_creations:,} records that 'already exist' proved "
                f"to be created by this run, {self._others_creations:,} to have been there before; "
                f"of {self._untold_creations:,} it could not be told."
            )
        for code, count in self._codes.most_common():
            others = ", and others" if code in self._codes_of_several_messages else ""
            yield (
                f"{count:,} rejected with {code} ({self._messages.get(code, '')}{others}): "
                f"{', '.join(self._keys[code])}{', ...' if count > _KEYS_PER_CODE else ''}"
            )

    def closing(self, counts: CallCounts, seconds: float) -> str:
        """The last line: what became of all records, by stream, and what it took."""
        streams = "; ".join(
            f"{stream}: " + ", ".join(f"{fates[fate]:,} {fate.value}" for fate in Fate)
            for stream, fates in self._fates.items()
        )
        took = f"{counts.calls:,} calls, {counts.retries:,} retries, {seconds:.1f} s"
        undelivered = self.read - self.settled
        lost = f"; {undelivered:,} not delivered" if undelivered else ""
        return f"{streams or 'No records'}{lost}; {took}."
