"""A call that Marketo refuses for single records is taken apart until they are known.

Every call costs quota, so: halves in order, a half whose sibling passed is known to be bad
without asking, 718 goes by sales person instead of by record, and where everything fails alike
the search ends.
"""

from __future__ import annotations

import logging
import typing as t

from marketo_opps import DataError, MarketoError, TooLargeError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOGGER = logging.getLogger("target-marketo-opps")

BAD_SALES_PERSON = "718"

_FRUITLESS_CALLS = 8
"""Calls without a single record passing, after which the cause may be no record's at all."""

BadDataError = DataError | TooLargeError
"""The errors that single records of a call cause."""

_Indices = t.Sequence[int]


class AllRefusedError(MarketoError):
    """Marketo refuses record after record in the same way, so the cause is no single record's."""


class Search:
    """Finds the bad records of one refused call.

    Args:
        attempt: sends these records in one call; returns Marketo's refusal, or None if it went
            through. Other errors pass.
        refuse: told of records that are known to be bad.
        sales_person: the externalSalesPersonId of a record, or None.
    """

    def __init__(
        self,
        *,
        attempt: Callable[[_Indices], BadDataError | None],
        refuse: Callable[[_Indices, BadDataError], None],
        sales_person: Callable[[int], str | None],
    ) -> None:
        self._attempt = attempt
        self._refuse = refuse
        self._sales_person = sales_person
        self._calls = 0
        self._passed = False
        self._codes: set[str] = set()
        self._last: int | None = None
        self._probed: int | None = None

    def deliver(self, indices: _Indices) -> None:
        """Send records, taking the call apart as often as needed.

        Raises:
            AllRefusedError: it seems that no record would pass.
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
            self._divide(indices, error)

    def _divide(self, indices: _Indices, error: BadDataError) -> None:
        """Deliver what is good of records among which some are known to be bad."""
        indices = self._undelivered(indices)
        parts = self._parts(indices, error)
        if len(parts) == 1:
            self._refuse(indices, error)
            return
        middle = len(parts) // 2
        left, right = _joined(parts[:middle]), _joined(parts[middle:])
        left_error = self._try(left)
        if left_error is not None:
            self._divide(left, left_error)
        # What made the whole fail is not in the left half, so it is in the right one. A single
        # record is asked all the same, for its own reasons; a sales person has no others.
        certain = len(parts) - middle > 1 or error.code == BAD_SALES_PERSON
        right_error = error if left_error is None and certain else self._try(right)
        if right_error is not None:
            if left_error is not None:
                self._stop_if_fruitless(right_error)
            self._divide(right, right_error)

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
        return [index for index in indices if index != self._probed]

    def _parts(self, indices: _Indices, error: BadDataError) -> list[list[int]]:
        """What to tell apart: sales persons for 718, else records."""
        if error.code != BAD_SALES_PERSON:
            return [[index] for index in indices]
        by_person: dict[str | None, list[int]] = {}
        for index in indices:
            by_person.setdefault(self._sales_person(index), []).append(index)
        unnamed = by_person.pop(None, [])
        if not by_person:
            return [[index] for index in unnamed]
        return ([unnamed] if unnamed else []) + list(by_person.values())

    def _stop_if_fruitless(self, error: BadDataError) -> None:
        if self._passed or self._calls < _FRUITLESS_CALLS or len(self._codes) > 1:
            return
        # The first records may be bad and all others good: one from the far end tells.
        assert self._last is not None
        if self._try([self._last]) is None:
            self._probed = self._last
            return
        raise AllRefusedError(
            f"{error.summary} After {self._calls} calls on single records and parts of a batch not "
            "one has passed, so the cause seems to concern all; stopped, not to use up the day's "
            "calls.",
        )


def _joined(parts: Sequence[Sequence[int]]) -> list[int]:
    return sorted(index for part in parts for index in part)
