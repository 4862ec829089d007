"""Find the bad records of a call that Marketo refuses, by bisection.

Every call costs quota. So halves are sent in order, and a half is known to be bad without a call
where its sibling passed; a 718 is bisected by sales person instead of by record; and where
everything fails alike the search is given up.
"""

from __future__ import annotations

import logging
import typing as t

from marketo_opps import DataError, MarketoError, TooLargeError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOGGER = logging.getLogger("target-marketo-opps")

BAD_SALES_PERSON = "718"

_HOPELESS_CALLS = 8
"""Calls without a record accepted, after which the cause may concern all records."""

BadDataError = DataError | TooLargeError
"""Errors of a whole call that single records cause."""

_Indices = t.Sequence[int]


class AllRefusedError(MarketoError):
    """Marketo refuses record after record in the same way, so the cause concerns all of them."""


class BadRecordBisector:
    """Finds the bad records of one refused call.

    Args:
        attempt: sends these records in one call; returns Marketo's refusal, or None if the call
            succeeded. Other errors propagate.
        reject: called with records that are known to be bad, and the error.
        sales_person: returns the externalSalesPersonId of a record, or None.
    """

    def __init__(
        self,
        *,
        attempt: Callable[[_Indices], BadDataError | None],
        reject: Callable[[_Indices, BadDataError], None],
        sales_person: Callable[[int], str | None],
    ) -> None:
        self._attempt = attempt
        self._reject = reject
        self._sales_person = sales_person
        self._calls = 0
        self._passed = False
        self._codes: set[str] = set()
        self._last: int | None = None
        self._verified: int | None = None

    def deliver(self, indices: _Indices) -> None:
        """Send records, bisecting the call as often as needed.

        Raises:
            AllRefusedError: no record is likely to be accepted.
        """
        if not indices:
            return
        error = self._try(indices)
        if error is not None:
            self._last = indices[-1]
            if len(indices) > 1:
                _LOGGER.warning(
                    "%s Taking the call of %d records apart to find those it is about.",
                    error.summary,
                    len(indices),
                )
            self._bisect(indices, error)

    def _bisect(self, indices: _Indices, error: BadDataError) -> None:
        """Deliver the good ones of records among which some are known to be bad."""
        indices = self._undelivered(indices)
        groups = self._groups(indices, error)
        if len(groups) == 1:
            self._reject(indices, error)
            return
        middle = len(groups) // 2
        left, right = _joined(groups[:middle]), _joined(groups[middle:])
        left_error = self._try(left)
        if left_error is not None:
            self._bisect(left, left_error)
        # What made the whole fail is not in the left half, so it is in the right one. A single
        # record is asked all the same, for its own reasons; a sales person has no others.
        certain = len(groups) - middle > 1 or error.code == BAD_SALES_PERSON
        right_error = error if left_error is None and certain else self._try(right)
        if right_error is not None:
            if left_error is not None:
                self._abort_if_hopeless(right_error)
            self._bisect(right, right_error)

    def _try(self, indices: _Indices) -> BadDataError | None:
        indices = self._undelivered(indices)
        if not indices:
            return None
        self._calls += 1
        error = self._attempt(indices)
        if error is None:
            self._passed = True
        else:
            self._codes.add(error.code)
        return error

    def _undelivered(self, indices: _Indices) -> _Indices:
        return [index for index in indices if index != self._verified]

    def _groups(self, indices: _Indices, error: BadDataError) -> list[list[int]]:
        """Group indices by sales person (code 718), or one per record."""
        if error.code != BAD_SALES_PERSON:
            return [[index] for index in indices]
        by_person: dict[str | None, list[int]] = {}
        for index in indices:
            by_person.setdefault(self._sales_person(index), []).append(index)
        unnamed = by_person.pop(None, [])
        if not by_person:
            return [[index] for index in unnamed]
        return ([unnamed] if unnamed else []) + list(by_person.values())

    def _abort_if_hopeless(self, error: BadDataError) -> None:
        if self._passed or self._calls < _HOPELESS_CALLS or len(self._codes) > 1:
            return
        # The first records may be bad and all others good: one from the far end tells.
        assert self._last is not None
        if self._try([self._last]) is None:
            self._verified = self._last
            return
        raise AllRefusedError(
            f"{error.summary} After {self._calls} calls on single records and parts of a batch not "
            "one has passed, so the cause seems to concern all; stopped, not to use up the day's "
            "calls.",
        )


def _joined(groups: Sequence[Sequence[int]]) -> list[int]:
    return sorted(index for group in groups for index in group)
