"""Find the bad records of a call that Marketo refuses, by bisection; pure.

Every call costs quota. So halves are sent in order, and a half is known to be bad without a call
where its sibling passed; a 718 is bisected by sales person instead of by record. The search is
given up only where nothing of the kind has ever been accepted in the run, and single records from
all over the batch are refused as well.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import DataError, MarketoError, TooLargeError

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from target_marketo_opps.delivery.batches import BatchTarget

BAD_SALES_PERSON = "718"

_HOPELESS_CALLS = 8
"""Calls without a record accepted, after which the cause may concern all records."""

_SAMPLED_RECORDS = 6
"""Single records that are tried then, from all over the batch."""

BadDataError = DataError | TooLargeError
"""Errors of a whole call that single records cause."""


class AllRefusedError(MarketoError):
    """Marketo refuses whatever is tried of a batch, so the cause seems to concern all records."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Records that are known to be bad, and why."""

    indices: Sequence[int]
    error: BadDataError


Steps = t.Generator[t.Sequence[int] | Refused, BadDataError | None, t.Any]
"""Yields indices to send in one call, and is sent Marketo's refusal, or None if the call succeeded;
now and then yields what is known to be bad."""


def bisect(
    error: BadDataError,
    sales_persons: Mapping[int, str | None],
    target: BatchTarget,
) -> Generator[t.Sequence[int] | Refused, BadDataError | None, AllRefusedError | None]:
    """Search the bad records of a refused call, and deliver the others.

    Args:
        error: the refusal.
        sales_persons: the externalSalesPersonId of each record of the call, by index.
        target: what the records are written to.

    Yields:
        Indices to send in one call, to be answered with Marketo's refusal or None; and `Refused`.

    Returns:
        The error if the search was given up; None if the fate of each record is known.
    """
    search = _Search(sales_persons, target)
    yield from search.halve(list(sales_persons), error)
    return search.gave_up


class _Search:
    """One search; its methods are parts of one generator."""

    def __init__(self, sales_persons: Mapping[int, str | None], target: BatchTarget) -> None:
        self.gave_up: AllRefusedError | None = None
        self._sales_persons = sales_persons
        self._target = target
        self._calls = 1
        self._passed = False
        self._settled: set[int] = set()
        self._sampled_bad: set[int] = set()

    def halve(self, indices: Sequence[int], error: BadDataError) -> Steps:
        """Deliver the good ones of records among which some are known to be bad."""
        if not self._sampled_bad.isdisjoint(indices):
            # What the call was refused for may have been found meanwhile.
            known = yield from self._try(self._unsettled(indices))
            if known is None or self.gave_up:
                return
            error = known
        groups = self._groups(self._unsettled(indices), error)
        if len(groups) <= 1:
            for group in groups:
                yield from self._refuse(group, error)
            return
        middle = len(groups) // 2
        left, right = _joined(groups[:middle]), _joined(groups[middle:])
        left_error = yield from self._deliver(left)
        # What made the whole fail is not in the left half, so it is in the right one. A single
        # record is asked all the same, for its own reasons; a sales person has no others.
        certain = len(groups) - middle > 1 or error.code == BAD_SALES_PERSON
        if self.gave_up:
            return
        if left_error is None and certain:
            yield from self.halve(right, error)
        else:
            yield from self._deliver(right)

    def _deliver(self, indices: Sequence[int]) -> Steps:
        """Send records, and search those that are refused; return the refusal."""
        error = yield from self._try(self._unsettled(indices))
        if error is not None and not self.gave_up:
            yield from self.halve(indices, error)
        return error

    def _try(self, indices: Sequence[int]) -> Steps:
        """Send records in one call; return Marketo's refusal."""
        if not indices:
            return None
        error = yield from self._call(indices)
        if error is not None and self._looks_hopeless:
            yield from self._sample(indices, error)
        return error

    def _call(self, indices: Sequence[int]) -> Steps:
        self._calls += 1
        error = yield indices
        if error is None:
            self._passed = True
            self._settled.update(indices)
        return error

    def _refuse(self, indices: Sequence[int], error: BadDataError) -> Steps:
        self._settled.update(indices)
        yield Refused(indices, error)

    @property
    def _looks_hopeless(self) -> bool:
        proven = self._passed or self._target.has_accepted
        return self._calls == _HOPELESS_CALLS and not proven

    def _sample(self, just_refused: Sequence[int], error: BadDataError) -> Steps:
        """Try single records from all over the batch, until one passes; else give up."""
        tried = just_refused if len(just_refused) == 1 else ()
        groups = self._groups(self._unsettled(self._sales_persons), error)
        for group in _spread([group for group in groups if group[0] not in tried]):
            refusal = yield from self._call(group[:1])
            if refusal is None:
                return
            error = refusal
            bad = group if refusal.code == BAD_SALES_PERSON else group[:1]
            self._sampled_bad.update(bad)
            yield from self._refuse(bad, refusal)
        if len(self._unsettled(self._sales_persons)) > len(tried):
            self.gave_up = AllRefusedError(
                f"{error.summary} Marketo rejected all {self._calls} calls with parts of this "
                "batch and with single records from different places in it, so the cause seems to "
                "affect every record. Stopped to save the daily API quota.",
            )

    def _unsettled(self, indices: Iterable[int]) -> list[int]:
        return [index for index in indices if index not in self._settled]

    def _groups(self, indices: Sequence[int], error: BadDataError) -> list[list[int]]:
        """Group indices by sales person (code 718), or one per record."""
        if error.code != BAD_SALES_PERSON:
            return [[index] for index in indices]
        by_person: dict[str | None, list[int]] = {}
        for index in indices:
            by_person.setdefault(self._sales_persons[index], []).append(index)
        unnamed = by_person.pop(None, [])
        if not by_person:
            return [[index] for index in unnamed]
        return ([unnamed] if unnamed else []) + list(by_person.values())


def _joined(groups: Sequence[Sequence[int]]) -> list[int]:
    return sorted(index for group in groups for index in group)


def _spread(groups: Sequence[list[int]]) -> list[list[int]]:
    """Return a few groups, evenly from all over."""
    count = min(_SAMPLED_RECORDS, len(groups))
    return [groups[(2 * number + 1) * len(groups) // (2 * count)] for number in range(count)]
