"""Find the bad records of a call that Marketo refuses, by bisection; no I/O.

Every call costs quota. Therefore halves are sent in order, and a half is known to be bad without a
call if its sibling passed. With code 718 (bad sales person), sales persons are halved instead of
records. The search is abandoned only if Marketo has accepted no record of this object and operation
in the run, and also refuses single records from different places in the batch.
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
"""Number of refused calls after which the cause may affect all records."""

_SAMPLED_RECORDS = 6
"""Number of single records, from different places in the batch, that test this suspicion."""

BadDataError = DataError | TooLargeError
"""Errors of a whole call that a few of its records can cause."""


class AllRefusedError(MarketoError):
    """Marketo refused every part of a batch that was sent: the cause may affect all records."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Records that are known to be bad, and Marketo's refusal of the call with them.

    Attributes:
        indices: positions of the records in the batch.
        error: Marketo's refusal.
    """

    indices: Sequence[int]
    error: BadDataError


Steps = t.Generator[t.Sequence[int] | Refused, BadDataError | None, t.Any]
"""Generator that yields indices to send in one call, and is sent Marketo's refusal, or None if the
call succeeded; between calls it yields `Refused` for records that are known to be bad."""


def bisect(
    error: BadDataError,
    sales_persons: Mapping[int, str | None],
    target: BatchTarget,
) -> Generator[t.Sequence[int] | Refused, BadDataError | None, AllRefusedError | None]:
    """Find the bad records of a refused call, and deliver the others.

    Args:
        error: Marketo's refusal of the call.
        sales_persons: the externalSalesPersonId of each record of the call, by index.
        target: object and operation of the records.

    Yields:
        Indices to send in one call, for which the caller sends back Marketo's refusal or None; or
        `Refused`, for records that are known to be bad.

    Returns:
        The error if the search was abandoned; None if every record was delivered or refused.
    """
    search = _Search(sales_persons, target)
    yield from search.halve(list(sales_persons), error)
    return search.gave_up


class _Search:
    """The search for bad records in one refused call.

    Its generators yield indices to send and receive Marketo's refusal or None, as `bisect` does.
    """

    def __init__(self, sales_persons: Mapping[int, str | None], target: BatchTarget) -> None:
        self.gave_up: AllRefusedError | None = None
        self._sales_persons = sales_persons
        self._target = target
        self._calls = 1
        self._passed = False
        self._settled: set[int] = set()
        self._sampled_bad: set[int] = set()

    def halve(self, indices: Sequence[int], error: BadDataError) -> Steps:
        """Send a refused group of records in ever smaller parts, until its bad records are found.

        The good records are delivered by the same calls.

        Args:
            indices: positions of the records in the batch.
            error: Marketo's refusal of the call with these records.
        """
        if not self._sampled_bad.isdisjoint(indices):
            # The bad records of this group may have been found by single calls meanwhile.
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
        # If the left half passes, the right half must be bad. A single record is sent all the
        # same, to learn its own reasons; for code 718 they are known.
        certain = len(groups) - middle > 1 or error.code == BAD_SALES_PERSON
        if self.gave_up:
            return
        if left_error is None and certain:
            yield from self.halve(right, error)
        else:
            yield from self._deliver(right)

    def _deliver(self, indices: Sequence[int]) -> Steps:
        """Send records in one call; if Marketo refuses it, search the records for bad ones.

        Returns:
            Marketo's refusal of the call; None if it was accepted.
        """
        sent = self._unsettled(indices)
        error = yield from self._try(sent)
        if error is not None and not self.gave_up:
            yield from self.halve(sent, error)
        return error

    def _try(self, indices: Sequence[int]) -> Steps:
        """Send records in one call; abandon the search if all records of the batch seem to be bad.

        After many refused calls, single records from all over the batch are sent too. If Marketo
        refuses them all, the search is abandoned.

        Returns:
            Marketo's refusal of the call; None if it was accepted.
        """
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
        """Send single records from all over the batch; abandon the search if all are refused.

        Args:
            just_refused: positions of the records in the last call, which Marketo refused.
            error: that refusal.
        """
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
        """Split records into groups that bisection sends as a whole and does not divide further.

        Args:
            indices: positions of the records in the batch.
            error: Marketo's refusal of a call with them. For code 718 (bad sales person), a group
                has all records with the same sales person; for other codes, it has one record.

        Returns:
            The positions of the records in each group.
        """
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
    """Return up to six groups of record indices, at equal distances in the list of groups."""
    count = min(_SAMPLED_RECORDS, len(groups))
    return [groups[(2 * number + 1) * len(groups) // (2 * count)] for number in range(count)]
