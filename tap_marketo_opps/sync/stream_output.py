"""The output of a stream: how a run converts, limits, encodes and bookmarks its records."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from tap_marketo_opps.finding.page_result import has_guid

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import ObjectDescription, Record
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.resume_point import Position, ResumePoint
    from tap_marketo_opps.singer_writer import TypedRecord
    from tap_marketo_opps.sync.state import Bookmark

ConvertPage = t.Callable[["Sequence[Record]"], "list[tuple[str | None, TypedRecord]]"]
"""Returns the typed records of a page of Marketo's, each with its replication key value."""


@dataclass(slots=True)
class StreamCounts:
    """Counts of a stream's output so far.

    Attributes:
        emitted: Records emitted.
        misfits: Values set to null because they do not match their type.
        keyless: Records skipped because they have no key.
        too_old: Records skipped because they are older than start_date.
        unreadable: Log entries that cannot be read, or only in part.
        alike: Warehouse rows that are equal to the record in Marketo.
        changed: Warehouse rows that differ from the record in Marketo.
        gone: Warehouse rows whose record no longer exists in Marketo.
        known_gone: Warehouse rows that are already marked as deleted.
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


@dataclass(frozen=True, slots=True)
class StreamOutput:
    """The part of a stream that a run uses: what it needs to convert, write and count records.

    Attributes:
        name: Name of the stream.
        fields: Names of the selected fields.
        is_incremental: True if the stream is replicated incrementally.
        replication_key: Name of the replication key.
        record_limit: Maximum number of records to emit; infinity except in a dry run.
        state: The stream's bookmark within the tap's state, which the run updates.
        counts: Counts of the stream's output.
        convert_page: Converts the records of a page to the types of the schema.
        encode: Returns RECORD messages for typed records, and counts the records.
        write_schema: Writes the SCHEMA messages, except those already written.
        found_in: Name of the stream whose page results contain this stream's records.
        records_in: Returns this stream's records in the records of such a result.
        field_types: Description of all fields of the schema.
        note_misfit: Called with field and GUID for each value that does not match its type.
        known_fields: Names of all fields of the schema, selected or not.
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
        """Return the first records of a list, as many as the record limit still allows."""
        left = self.record_limit - self.counts.emitted
        return records if len(records) <= left else records[: int(left)]

    def save(self, bookmark: Bookmark) -> None:
        """Write a bookmark to the state.

        If the stream is not incremental, the replication key value is omitted.
        """
        self.state.update(bookmark.to_state(self.replication_key if self.is_incremental else None))


class StreamEmitter:
    """Selects and converts the records of one stream that a run emits.

    Args:
        output: Output of the stream.
        resume: Resume point with which the stream's run begins.
        start_date: Records skipped for being older than this timestamp are counted; None to count
            none.
    """

    def __init__(
        self, output: StreamOutput, resume: ResumePoint, start_date: str | None = None
    ) -> None:
        self.output = output
        self._resume = resume
        self._start_date = start_date
        self._seen = resume.seen or ""

    def records_of(self, result: PageResult) -> list[TypedRecord]:
        """Return the records of a page that are emitted, converted to the types of the SCHEMA."""
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
        """Return the stream's resume point, from which a later run can continue.

        Args:
            position: Position up to which all records are written; None at the beginning.
        """
        return replace(self._resume, seen=self._seen or None, at=position)
