"""A page of Marketo's on its way through the stages of a run."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.fields import MARKETO_GUID

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import Record
    from tap_marketo_opps.finding.resume_point import Position

Key = tuple[str, bool]
"""A key to look up; True if what it leads to is emitted regardless of its age."""


def never_force(_record: Record) -> bool:
    """Return False: records are emitted when they are new enough, and only then."""
    return False


def has_guid(record: Record) -> bool:
    """Return True if a record has the key that every stream of records goes by."""
    guid = record.get(MARKETO_GUID)
    if guid.__class__ is str:
        return guid.strip() != ""
    return isinstance(guid, int)


@dataclass(frozen=True, slots=True)
class PageResult:
    """The content of one page, and what it is good for.

    Attributes:
        stream: What the records are.
        records: As Marketo sent them.
        emit_regardless_of_age: Returns True for a record that is emitted however old it is.
        position: Resume position valid once this page is written; a callable if it is only known
            then; None if unchanged.
        keys: To be looked up, besides what the records name.
        is_tracked: True if the saved position includes these keys, so the page need not be held
            back; one without keys then does not wait at all.
    """

    stream: str
    records: Sequence[Record]
    emit_regardless_of_age: Callable[[Record], bool] = never_force
    position: Position | Callable[[], Position | None] | None = None
    keys: Sequence[Key] = ()
    is_tracked: bool = False

    def resolve_position(self) -> Position | None:
        """Return the position, now that the page is written."""
        return self.position() if callable(self.position) else self.position
