"""Count the delivered opportunities that lack what Marketo needs to attribute them to leads."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps import MarketoObject
from marketo_opps.seen_keys import KeyFlags
from marketo_opps.wording import counted
from target_marketo_opps.delivery.batches import Operation

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.outcomes import BatchResult

_LOGGER = logging.getLogger("target-marketo-opps")

_DELIVERED, _NEW, _DATED, _HAS_ROLE, _HAS_PRIMARY = 1, 2, 4, 8, 16

_DATE = b'"externalCreatedDate":'
_NO_DATE = b'"externalCreatedDate":null'
_ADVICE = (
    "Most new opportunities lack one of these: Marketo attributes opportunities to leads by their "
    "roles, above all by the primary role, and its reports use externalCreatedDate. Deliver what "
    "is missing."
)
_PRIMARY = b'"isPrimary":true'


class Attribution:
    """Remembers which accepted opportunities have a creation date, a role, and a primary role.

    Marketo needs these to attribute an opportunity to leads. Later deletes, and later versions that
    clear a field, are not considered.

    Attributes:
        streams: names of the streams that are written to roles.
    """

    def __init__(self) -> None:
        self.streams: set[str] = set()
        self._flags = KeyFlags()

    def note_stream(self, stream: str) -> None:
        """Add a stream that is written to roles to `streams`, the names of all such streams."""
        self.streams.add(stream)

    def add(self, result: BatchResult) -> None:
        """Remember the opportunities and roles that Marketo has accepted in a batch."""
        target = result.batch.target
        if target.operation is not Operation.SYNC:
            return
        flags_of = _role_flags
        if target.obj is MarketoObject.OPPORTUNITIES:
            flags_of = _opportunity_flags
        for index, record in enumerate(result.batch.records):
            if result.is_accepted(index):
                self._flags.add(str(record.ordering_keys[0]), flags_of(result, index))

    def log(self) -> None:
        """Log how many opportunities lack a role or date; warn if most new opportunities do."""
        summary = self.summary()
        if summary is not None and self.is_lacking:
            _LOGGER.warning("%s %s", summary, _ADVICE)
        elif summary is not None:
            _LOGGER.info("%s", summary)

    def summary(self) -> str | None:
        """Return a sentence with the numbers of opportunities that lack a role or date.

        Returns:
            None if no opportunity was accepted.
        """
        delivered = self._count(_DELIVERED)
        if not delivered:
            return None
        return (
            f"Attribution: of {counted(delivered, 'opportunity')} delivered, "
            f"{self._count(_DELIVERED, without=_HAS_ROLE):,} got no role in this run, "
            f"{self._count(_DELIVERED, without=_HAS_PRIMARY):,} no primary role, and "
            f"{self._count(_DELIVERED, without=_DATED):,} no externalCreatedDate."
        )

    @property
    def is_lacking(self) -> bool:
        """Return whether most of the new opportunities lack a role, a primary role, or a date.

        Opportunities that existed before may have got their roles and date in earlier runs.
        """
        most_missed = max(
            self._count(_NEW, without=what) for what in (_HAS_ROLE, _HAS_PRIMARY, _DATED)
        )
        return 2 * most_missed > self._count(_NEW)

    def _count(self, having: int, *, without: int = 0) -> int:
        counts = self._flags.counts()
        return sum(
            count for flags, count in counts.items() if flags & having and not flags & without
        )


def _opportunity_flags(result: BatchResult, index: int) -> int:
    body = result.batch.records[index].sent_body
    # Search without decoding is safe: a quote within a string has a backslash before it.
    is_dated = _DATE in body and _NO_DATE not in body
    is_new = result.is_created(index)
    return _DELIVERED | (_NEW if is_new else 0) | (_DATED if is_dated else 0)


def _role_flags(result: BatchResult, index: int) -> int:
    is_primary = _PRIMARY in result.batch.records[index].sent_body
    return _HAS_ROLE | (_HAS_PRIMARY if is_primary else 0)
