"""One stream as a run sees it: how its pages are converted, limited, encoded and bookmarked."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from marketo_opps.wording import counted
from tap_marketo_opps.finding.page_result import has_guid

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import ObjectDescription, Record
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.resume_point import Position, ResumePoint
    from tap_marketo_opps.singer_writer import TypedRecord
    from tap_marketo_opps.sync.state import Bookmark

ConvertPage = t.Callable[["Sequence[Record]"], "list[tuple[str | None, TypedRecord]]"]
"""From a page as Marketo sent it to typed records, each with its replication key value."""


@dataclass(slots=True)
class StreamCounts:
    """Counts of a stream's output so far.

    Attributes:
        emitted: Records.
        misfits: Values that did not fit their type, and are null instead.
        keyless: Records without their key, which are not emitted.
        too_old: Records that a sweep's start_date left out.
        unreadable: Entries of the log that cannot be read, or not whole, for this stream.
        alike: Rows of the warehouse that are as Marketo has them.
        changed: Those that are not.
        gone: Those that Marketo does not have any more.
        known_gone: Those of which the warehouse knows that.
    """

    emitted: int = 0
    misfits: int = 0
    keyless: int = 0
    too_old: int = 0
    unreadable: int = 0
    alike: int = 0
    changed: int = 0
    gone: int = 0
    known_gone: int = 0


def without_key(stream: str, key: str, count: int) -> str:
    """Return a sentence on records that have no key, and are not emitted.

    Args:
        stream: Of these records.
        key: The field that they lack.
        count: How many they are.
    """
    return (
        f"{counted(count, 'record')} of {stream} skipped: Marketo sent no {key}, which is the key. "
        "Ask Marketo's support."
    )


def unreadable_entries(stream: str, count: int) -> str:
    """Return a sentence on entries of the log whose changes are not emitted, or not all of them.

    Args:
        stream: That lacks them.
        count: How many they are.
    """
    return (
        f"Changes in {counted(count, 'entry')} of the activity log could not be read and are "
        f"missing from {stream}. The stream opportunity_activities has all entries as Marketo sent "
        "them."
    )


@dataclass(frozen=True, slots=True)
class StreamOutput:
    """A stream, as far as a run knows it.

    Attributes:
        name: Of the stream.
        fields: Those that are selected.
        is_incremental: True if only changes are wanted.
        replication_key: The field whose value says when a record changed.
        record_limit: How many records may be emitted; infinite but in a dry run.
        state: The stream's bookmark within the tap's state, which a run changes.
        counts: Of what has come out.
        convert_page: Types a page.
        encode: Turns typed records into RECORD messages, and counts them.
        write_schema: Writes the SCHEMA, unless it has been written.
        found_in: Name of the results that its records are in.
        records_in: Returns its records in a page of these.
        field_types: Of all fields, as the SCHEMA says.
        note_misfit: Called with field and GUID of a value that does not fit its type.
        known_fields: Those that its schema has, selected or not.
    """

    name: str
    fields: tuple[str, ...]
    is_incremental: bool
    replication_key: str | None
    record_limit: float
    state: dict[str, t.Any]
    counts: StreamCounts
    convert_page: ConvertPage
    encode: Callable[[Sequence[TypedRecord]], bytes]
    write_schema: Callable[[], None]
    found_in: str
    records_in: Callable[[Sequence[Record]], Sequence[Record]]
    field_types: ObjectDescription
    note_misfit: Callable[[str, str], None]
    known_fields: frozenset[str] = frozenset()

    def limited(self, records: list[TypedRecord]) -> list[TypedRecord]:
        """Return those of the records that may be emitted."""
        left = self.record_limit - self.counts.emitted
        return records if len(records) <= left else records[: int(left)]

    def save(self, bookmark: Bookmark) -> None:
        """Put a bookmark into the state; a full table has no replication key value."""
        self.state.update(bookmark.to_state(self.replication_key if self.is_incremental else None))


class StreamEmitter:
    """One stream's records on their way out: typed, and only those that are to be emitted.

    Args:
        output: Of the stream.
        resume: Where the stream's run begins.
        start_date: Records before it are counted; None where nobody asks.
    """

    def __init__(
        self, output: StreamOutput, resume: ResumePoint, start_date: str | None = None
    ) -> None:
        self.output = output
        self._resume = resume
        self._start_date = start_date
        self._seen = resume.seen or ""

    def records_of(self, result: PageResult) -> list[TypedRecord]:
        """Return what is to be emitted of a page."""
        records = self.output.records_in(result.records)
        kept = [record for record in records if has_guid(record)]
        self.output.counts.keyless += len(records) - len(kept)
        page = self.output.convert_page(kept)
        self._seen = max(self._seen, *(changed for changed, _ in page if changed), "")
        since, emit_anyway = self._resume.since, result.emit_regardless_of_age
        if since is None:
            return self.output.limited([typed for _, typed in page])
        if start_date := self._start_date:
            self.output.counts.too_old += sum(
                changed is not None and changed < start_date and not emit_anyway(record)
                for record, (changed, _) in zip(kept, page, strict=True)
            )
        return self.output.limited(
            [
                typed
                for record, (changed, typed) in zip(kept, page, strict=True)
                if changed is None or changed >= since or emit_anyway(record)
            ]
        )

    def resume_at(self, position: Position | None) -> ResumePoint:
        """Return how to go on from a position."""
        return replace(self._resume, seen=self._seen or None, at=position)
