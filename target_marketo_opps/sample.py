"""Deliver only the first records of each stream, by the setting `max_records`."""

from __future__ import annotations

import logging
import typing as t
from collections import Counter

from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import Record

_LOGGER = logging.getLogger("target-marketo-opps")


class Sample:
    """Passes the first records of each stream on, and counts the others.

    Args:
        max_records: maximum number of records per stream; None for no limit.
    """

    def __init__(self, max_records: int | None) -> None:
        self._max_records = max_records
        self._arrived: Counter[str] = Counter()

    def limited(
        self, stream: str, take: Callable[[Record, bytes], None]
    ) -> Callable[[Record, bytes], None]:
        """Return a function that passes only the first records of a stream to another function.

        Args:
            stream: name of the stream in the input.
            take: takes a record and the line on which it arrived.
        """
        most = self._max_records
        if most is None:
            return take

        def take_some(record: Record, source: bytes) -> None:
            self._arrived[stream] += 1
            if self._arrived[stream] <= most:
                take(record, source)

        return take_some

    def log_skipped(self) -> None:
        """Log, if only a sample was delivered, how many records of each stream were skipped."""
        if self._max_records is None:
            return
        surplus = {
            stream: count - self._max_records
            for stream, count in self._arrived.items()
            if count > self._max_records
        }
        skipped = [f"{counted(count, 'record')} of {stream}" for stream, count in surplus.items()]
        _LOGGER.warning(
            "This run delivered a sample (max_records is %d): skipped %s; no STATE was written.",
            self._max_records,
            ", ".join(skipped) or "nothing",
        )
