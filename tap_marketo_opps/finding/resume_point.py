"""Where an interrupted run stands, as every stream's bookmark holds it."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

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
            return cls(**members) if version == _VERSION else None
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            return None
