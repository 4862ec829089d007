"""The resume point of an interrupted run, which is part of each stream's bookmark."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

from tap_marketo_opps.timestamps import is_timestamp

Position = dict[str, t.Any]
"""How far a run has read its keys or the activity log, as a JSON object."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The saved data about an interrupted run with which a later run continues it.

    Attributes:
        fingerprint: Digest of the settings of that run.
        began: Timestamp at which its first attempt began, by Marketo's clock.
        since: Timestamp from which changed records are emitted; None for all records.
        seen: Greatest replication key value read so far.
        cursor: Timestamp up to which earlier runs have read the activity log; None if none has.
        log_from: Timestamp from which the activity log is read; None if it is not read.
        at: Position up to which everything is written; None at the beginning.
    """

    fingerprint: str
    began: str
    since: str | None
    seen: str | None
    cursor: str | None
    log_from: str | None
    at: Position | None

    def encode(self) -> str:
        """Return the resume point as one string.

        It is not an object, because Meltano merges objects in states deeply and cannot delete keys.
        """
        return json.dumps({"v": _VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: t.Any) -> ResumePoint | None:
        """Return the resume point that `encode` wrote as this string; None for any other value."""
        try:
            members = json.loads(text)
            version = members.pop("v")
            decoded = cls(**members)
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            return None
        return decoded if version == _VERSION and decoded.is_of_its_types else None

    @property
    def is_of_its_types(self) -> bool:
        """Return True if each attribute of this resume point, read from a state, has a valid type.

        The content of `at` is not checked here, but by the pipeline stage that resumes there.
        """
        timestamps = (self.since, self.seen, self.cursor, self.log_from)
        return (
            isinstance(self.fingerprint, str)
            and is_timestamp(self.began)
            and all(each is None or is_timestamp(each) for each in timestamps)
            and isinstance(self.at, dict | None)
        )

    def is_ahead_of(self, timestamp: str) -> bool:
        """Return True if any timestamp in this resume point is later than the given one."""
        known = (self.began, self.since, self.cursor, self.log_from)
        return any(each is not None and each > timestamp for each in known)
