"""What became of records."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from marketo_opps import MarketoError, Reason
    from target_marketo_opps.delivery.batching import Batch


class Fate(enum.Enum):
    """What can become of a record; the value is the word in the closing line."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    LEFT_ALONE = "left alone"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What became of one record, and why if it was rejected."""

    fate: Fate
    reasons: Sequence[Reason] = ()
    request_id: str | None = None


CREATED = Verdict(Fate.CREATED)
UPDATED = Verdict(Fate.UPDATED)
DELETED = Verdict(Fate.DELETED)
UNCHANGED = Verdict(Fate.UNCHANGED)


@dataclass(slots=True, eq=False)
class Delivery:
    """One batch, and what became of it.

    Attributes:
        batch: what was sent.
        verdicts: one for each record of the batch, in order; None for one that is unsettled.
        failure: what ended the attempt, if anything did.
        open_since: of records that a lost call may have created, when that call was first sent.
        own_creations: records that "already exist" because a lost call had created them.
        others_creations: records that "already exist" and had been there before.
        untold_creations: records that "already exist", and Marketo cannot be asked since when.
    """

    batch: Batch
    verdicts: list[Verdict | None] = field(init=False)
    failure: MarketoError | None = None
    possibly_applied_since: dict[int, datetime] = field(default_factory=dict)
    own_creations: int = 0
    others_creations: int = 0
    untold_creations: int = 0

    def __post_init__(self) -> None:
        self.verdicts = [None] * len(self.batch.records)

    @property
    def is_settled(self) -> bool:
        """Whether every record has its verdict."""
        return None not in self.verdicts

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return sum(1 for verdict in self.verdicts if verdict and verdict.fate is Fate.REJECTED)
