"""Count rejected records by code and message, for the log lines at the end of the run."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from marketo_opps import Reason

_KEYS_NAMED = 5
_MOST_CAUSES = 20
"""Further causes are counted together: a message may contain a value that differs per record."""

_Cause = tuple[str, str]


class RejectCauses:
    """Counts rejected records by the code and message of their first reason."""

    def __init__(self) -> None:
        self._counts: Counter[_Cause] = Counter()
        self._keys: defaultdict[_Cause, list[str]] = defaultdict(list)

    def add(self, key: str, reasons: Sequence[Reason]) -> None:
        """Count a rejected record by its first reason, and keep its key as an example.

        Args:
            key: key of the record, as log lines show it.
            reasons: reasons for which it was rejected.
        """
        cause = self._cause(reasons)
        self._counts[cause] += 1
        if len(self._keys[cause]) < _KEYS_NAMED:
            self._keys[cause].append(key)

    def lines(self) -> Iterator[str]:
        """Yield a log line for each code and message, the most frequent first, with some keys."""
        for cause, count in self._counts.most_common():
            code, message = cause
            keys = ", ".join(self._keys[cause])
            more = ", ..." if count > _KEYS_NAMED else ""
            yield f"{count:,} rejected with {code} ({message}): {keys}{more}"

    def _cause(self, reasons: Sequence[Reason]) -> _Cause:
        if not reasons:
            return "no code", "no reason was given"
        cause = reasons[0].code, reasons[0].message
        if cause in self._counts or len(self._counts) < _MOST_CAUSES:
            return cause
        return cause[0], "other reasons"
