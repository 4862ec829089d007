"""Decide how many values to look up in one call, so that the leads fit on one page; no I/O."""

from __future__ import annotations

import math
import typing as t

from marketo_opps import MAX_BATCH_RECORDS

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE_LEADS = MAX_BATCH_RECORDS
_SAFE_LEADS = 900
"""Marketo refuses a call that matches more than 1,000 leads."""

_MOST_OF_ONE = 4
"""Maximum count of leads for one value: smaller calls do not help with values of more leads."""


class LookupSize:
    """Chooses the number of values per lookup, by how many leads earlier values matched.

    Attributes:
        values: number of values to look up in the next call.
    """

    def __init__(self) -> None:
        self.values = MAX_BATCH_RECORDS
        self._asked = 0
        self._leads = 0
        self._sum = 0
        self._squares = 0

    def learn(self, matches: Iterable[int]) -> None:
        """Update `values`, the number of values per lookup, from the results of a lookup.

        The more leads a value matches on average, the fewer values are looked up in one call.

        Args:
            matches: for each value that was looked up, the number of leads that have it.
        """
        for count in matches:
            shown = min(count, _MOST_OF_ONE)
            self._asked += 1
            self._leads += count
            self._sum += shown
            self._squares += shown * shown
        if self._asked:
            self.values = max(1, min(MAX_BATCH_RECORDS, self._fitting(), self._safe()))

    def _fitting(self) -> int:
        """Return how many values to look up per call so that the leads nearly always fit a page."""
        if self._squares == self._sum:
            return MAX_BATCH_RECORDS  # No value has several.
        mean = self._sum / self._asked
        deviation = math.sqrt(self._squares / self._asked - mean * mean)
        # n * mean + 2 * deviation * sqrt(n) = page, solved for sqrt(n).
        root = (math.sqrt(deviation * deviation + mean * _PAGE_LEADS) - deviation) / mean
        return math.floor(root * root)

    def _safe(self) -> int:
        """Return how many values match 900 leads on average; Marketo refuses more than 1,000."""
        return _SAFE_LEADS * self._asked // self._leads if self._leads else MAX_BATCH_RECORDS
