"""Represent the outcome of each record of a batch."""

from __future__ import annotations

import enum
import itertools
import typing as t
from dataclasses import dataclass, field, replace

from marketo_opps import Reason

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from marketo_opps import MarketoError
    from target_marketo_opps.delivery.batches import Batch, OutboundRecord


_EXISTS_CODES = frozenset({"1005", "1017"})
"""Codes of a record that was not created because Marketo has one with its key."""

_ORPHAN_CODES = frozenset({"1004", "1013"})
"""Codes of a role whose opportunity is missing; Adobe does not document which one it gets."""


class Outcome(enum.Enum):
    """What happened to a record, such as created; the values are words of the closing log line."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    LEFT_ALONE = "left alone"
    REJECTED = "rejected"

    @property
    def identifier(self) -> str:
        """Return the name of this outcome in receipts and reports, such as `left_alone`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, eq=False)
class RecordOutcome:
    """The outcome of one record.

    Attributes:
        kind: created, updated, and so on.
        reasons: why the record was rejected.
        request_id: requestId of the call; for accepted records, only if receipts are written.
        marketo_guid: marketoGUID of the record; only if receipts are written.
        changes: in a dry run, the fields that would change, with their old and new values.
    """

    kind: Outcome
    reasons: Sequence[Reason] = ()
    request_id: str | None = None
    marketo_guid: str | None = None
    changes: Mapping[str, tuple[t.Any, t.Any]] = field(default_factory=dict)

    @property
    def is_rejected(self) -> bool:
        """Return whether the record was rejected."""
        return self.kind is Outcome.REJECTED

    def explained(self, why: str) -> RecordOutcome:
        """Return a copy of this outcome with an explanation appended to Marketo's first reason."""
        first, *others = self.reasons
        reason = Reason(first.code, f"{first.message} ({why})")
        return replace(self, reasons=(reason, *others))


CREATED = RecordOutcome(Outcome.CREATED)
UPDATED = RecordOutcome(Outcome.UPDATED)
DELETED = RecordOutcome(Outcome.DELETED)
UNCHANGED = RecordOutcome(Outcome.UNCHANGED)


def spread(outcome: RecordOutcome | None, count: int) -> list[RecordOutcome | None]:
    """Return the outcome of each version of a merged record, from the outcome of that record.

    Versions are updates of one key. If the record was created, the first version counts as created
    and the others as updated.
    """
    if outcome is None or count == 1:
        return [outcome] * count
    kind = Outcome.UPDATED if outcome.kind is Outcome.CREATED else outcome.kind
    return [outcome, *[replace(outcome, kind=kind, changes={})] * (count - 1)]


@dataclass(slots=True, eq=False)
class BatchResult:
    """The outcomes of the records of a batch, as far as they are known.

    Attributes:
        batch: the batch.
        outcomes: the outcome of each record, in order; None if it is not known.
        failure: the error that ended the delivery, if any.
        possibly_applied_since: for records that a call without a response may have created, by
            index, when that call was first sent.
        existing_ours: number of records that "already exist" because such a call created them.
        existing_theirs: number of records that "already exist" and were created before.
        existing_unresolved: number of records that "already exist" and were not found by a lookup.
        of_versions: for merged records that were rejected and then halved, by index, the outcome of
            each version.
        parked: indices of skipped roles that wait for their opportunity instead of being rejected.
    """

    batch: Batch
    outcomes: list[RecordOutcome | None] = field(init=False)
    failure: MarketoError | None = None
    possibly_applied_since: dict[int, datetime] = field(default_factory=dict)
    existing_ours: int = 0
    existing_theirs: int = 0
    existing_unresolved: int = 0
    of_versions: dict[int, list[RecordOutcome | None]] = field(default_factory=dict)
    parked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.batch.records)

    @property
    def is_complete(self) -> bool:
        """Return whether the outcome of every record of the batch is known.

        For a merged record that was rejected and then halved, every version needs an outcome.
        """
        halved = itertools.chain.from_iterable(self.of_versions.values())
        return None not in self.outcomes and None not in halved

    @property
    def unresolved(self) -> list[int]:
        """Return the indices of the records whose outcome is not known."""
        return [index for index, outcome in enumerate(self.outcomes) if outcome is None]

    @property
    def rejected(self) -> int:
        """Return the number of rejected records, except roles that wait for their opportunity.

        A merged record counts as one. If its versions (updates of one key) were then sent
        separately, each rejected version counts.
        """
        whole = sum(
            1
            for index, outcome in enumerate(self.outcomes)
            if outcome and outcome.is_rejected and index not in self.of_versions
        ) - len(self.orphans)
        halved = itertools.chain.from_iterable(self.of_versions.values())
        return whole + sum(1 for outcome in halved if outcome and outcome.is_rejected)

    @property
    def orphans(self) -> list[int]:
        """Return the indices of roles skipped because their opportunity or lead is missing."""
        if not self.batch.target.parks_orphans:
            return []
        return [
            index
            for index, outcome in enumerate(self.outcomes)
            if outcome is not None
            and _ORPHAN_CODES.intersection(why.code for why in outcome.reasons)
        ]

    def is_accepted(self, index: int) -> bool:
        """Return whether a record was accepted: all of it, or a version that was merged into it."""
        each = self.of_versions.get(index) or [self.outcomes[index]]
        return any(outcome is not None and not outcome.is_rejected for outcome in each)

    def is_refused_as_existing(self, index: int) -> bool:
        """Return whether a record was rejected because Marketo has one with its key."""
        outcome = self.outcomes[index]
        return outcome is not None and not _EXISTS_CODES.isdisjoint(
            why.code for why in outcome.reasons
        )

    def is_existing(self, index: int) -> bool:
        """Return whether Marketo has a record: it was accepted, or rejected as one that exists."""
        return self.is_accepted(index) or self.is_refused_as_existing(index)

    def is_created(self, index: int) -> bool:
        """Return whether Marketo created a record.

        If the versions that were merged into the record were sent separately, return whether any
        of them created it.
        """
        each = self.of_versions.get(index) or [self.outcomes[index]]
        return any(outcome is not None and outcome.kind is Outcome.CREATED for outcome in each)

    def by_version(self) -> Iterator[tuple[OutboundRecord, RecordOutcome | None]]:
        """Yield each record of the batch as it was before merging, with its outcome.

        A merged record combines several versions: updates of one key. Roles that wait for their
        opportunity are left out.
        """
        for index, (record, outcome) in enumerate(
            zip(self.batch.records, self.outcomes, strict=True)
        ):
            if index in self.parked:
                continue
            if record.later_versions is None:
                yield record, outcome
            else:
                versions = record.all_versions
                each = self.of_versions.get(index) or spread(outcome, len(versions))
                yield from zip(versions, each, strict=True)

    def mark_ambiguous(self, indices: Sequence[int], moment: datetime | None) -> None:
        """Remember that a call may have created records although its response was lost.

        The time when such a call was first sent is stored for each record, in
        `possibly_applied_since`.

        Args:
            indices: positions of the records in the batch.
            moment: when the call was sent; None if it has a response or was certainly not applied.
        """
        if moment is not None:
            for index in indices:
                self.possibly_applied_since.setdefault(index, moment)
