"""The result of reading one page, which is passed from one pipeline stage to the next."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.fields import MARKETO_GUID

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import Record
    from tap_marketo_opps.finding.resume_point import Position

Key = tuple[str, bool]
"""A key to look up, and True if the records found by it are emitted regardless of age."""


def never_force(_record: Record) -> bool:
    """Return False for any record, which means: do not emit it if it is too old."""
    return False


def has_guid(record: Record) -> bool:
    """Return True if a record has a marketoGUID that is not blank."""
    guid = record.get(MARKETO_GUID)
    if guid.__class__ is str:
        return guid.strip() != ""
    return isinstance(guid, int)


@dataclass(frozen=True, slots=True)
class PageResult:
    """The records of one page, keys found in it, and the position after it.

    One stage of a pipeline passes it to the next.

    Attributes:
        stream: Name of the stream that the records belong to.
        records: Records as Marketo sent them.
        emit_regardless_of_age: Returns True for a record that is emitted however old it is.
        position: Position from which a later run resumes once this page is written; a callable that
            returns it, if it is known only then; None if the page does not change the position.
        keys: Keys to look up, besides those in the records.
        is_tracked: True if keys found in the page are saved with the position as pending keys, so
            that a resumed run looks them up. Then a result without `keys` need not wait.
    """

    stream: str
    records: Sequence[Record]
    emit_regardless_of_age: Callable[[Record], bool] = never_force
    position: Position | Callable[[], Position | None] | None = None
    keys: Sequence[Key] = ()
    is_tracked: bool = False

    def resolve_position(self) -> Position | None:
        """Return the position from which a later run resumes, once this page is written.

        Return None if this page does not change that position.
        """
        return self.position() if callable(self.position) else self.position
