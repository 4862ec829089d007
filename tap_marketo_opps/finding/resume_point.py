"""Where an interrupted run stands, as every stream's bookmark holds it."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

from tap_marketo_opps.moments import is_moment

Position = dict[str, t.Any]
"""How far a run has come in its keys, or in the activity log; JSON."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How an interrupted run goes on.

    Attributes:
        fingerprint: Of the settings of that run.
        began: When its first attempt began, by Marketo's clock.
        since: It emits records that changed then or later; None for all.
        seen: The greatest replication key value of what it has read so far.
        cursor: End of the previously read activity log; None if never read.
        log_from: Where reading the activity log begins.
        at: What has been read, written, and put into a STATE message; None at the beginning.
    """

    fingerprint: str
    began: str
    since: str | None
    seen: str | None
    cursor: str | None
    log_from: str | None
    at: Position | None

    def encode(self) -> str:
        """Return it as one string: Meltano merges deeply, and cannot delete a key."""
        return json.dumps({"v": _VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: t.Any) -> ResumePoint | None:
        """Read what `encode` made a string of; None for anything else."""
        try:
            members = json.loads(text)
            version = members.pop("v")
            decoded = cls(**members)
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            return None
        return decoded if version == _VERSION and decoded.is_of_its_types else None

    @property
    def is_of_its_types(self) -> bool:
        """Return True if each member is what it should be; what `at` holds is for its stage."""
        moments = (self.since, self.seen, self.cursor, self.log_from)
        return (
            isinstance(self.fingerprint, str)
            and is_moment(self.began)
            and all(each is None or is_moment(each) for each in moments)
            and isinstance(self.at, dict | None)
        )

    def is_ahead_of(self, moment: str) -> bool:
        """Return True if it says of a moment after this one that it is over."""
        known = (self.began, self.since, self.cursor, self.log_from)
        return any(each is not None and each > moment for each in known)
