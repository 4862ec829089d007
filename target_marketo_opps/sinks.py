"""Map records and pass them to the dispatcher; sinks hold no records."""

from __future__ import annotations

import typing as t

from singer_sdk.sinks import Sink

from marketo_opps import MarketoObject
from target_marketo_opps.delivery.batches import Operation, OutboundRecord, WantedLead
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.json_lines import encode, source_line, source_record
from target_marketo_opps.mapping.delete_mark import DELETED_AT, is_marked_deleted
from target_marketo_opps.mapping.keys import key_fields, with_line
from target_marketo_opps.mapping.lead_properties import LeadProperties
from target_marketo_opps.mapping.lookup_role_mapping import LookupRoleMapping
from target_marketo_opps.mapping.mapped_record import RecordError
from target_marketo_opps.mapping.record_mapping import RecordMapping
from target_marketo_opps.mapping.routing import destination

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk import Target
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from marketo_opps import ObjectDescription, Reason, Record
    from target_marketo_opps.mapping.stream_notes import StreamNotes
    from target_marketo_opps.run import TargetRun


class ObjectSink(Sink):
    """An SDK sink that maps the records of one stream and passes them to the dispatcher at once.

    There is one sink for each stream and SCHEMA. It holds no records: the SDK writes out the
    records that its sinks hold in parallel, and those of a replaced SCHEMA last, which would change
    their order. Batches are kept in the run instead, one set for each Marketo object.

    Args:
        target: the plugin.
        stream_name: name of the stream, after `stream_maps`.
        schema: schema of the stream, after `stream_maps`.
        key_properties: not used, because describe defines the key.
    """

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._obj: MarketoObject | None = None
        self._taken = 0

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return None, because records are validated against describe instead."""
        return None

    def prepare(
        self,
        run: TargetRun,
        notes: StreamNotes,
        *,
        is_excluded: bool,
        line_number: Callable[[], int],
    ) -> None:
        """Decide to which object the stream is written, and how its records are mapped.

        This is not done in the SDK's `setup`, because the SDK logs errors of `setup` in its own
        words.

        Args:
            run: the run that takes the records.
            notes: collects what is not written of the records.
            is_excluded: whether `stream_maps` removes the stream.
            line_number: returns the number of the current line of the input.

        Raises:
            UnwritableStreamError: the stream cannot be written.
        """
        self._obj = None if is_excluded else self._destination(run)
        if self._obj is None:
            return
        description = run.marketo.descriptions.of(self._obj)
        self._line_number = line_number
        self._mapping = self._make_mapping(run, description, notes)
        keys = key_fields(description, run.settings.dedupe_by)
        self._sync_target = run.waiting.batches.target(self._obj, Operation.SYNC, keys)
        self._delete_target = run.waiting.batches.target(self._obj, Operation.DELETE, keys)
        self._hard_delete = run.settings.hard_delete
        self._dispatcher = run.dispatcher
        self._rejects = run.rejects
        self._settled = run.files.settled
        self._counters = run.counters
        self._counters.register_stream(self.stream_name)

    def take(self, record: Record, source_stream: str, source: bytes) -> None:
        """Map a record, and pass it to the dispatcher; reject it if it is invalid.

        Args:
            record: the record after `stream_maps`.
            source_stream: name of the stream in the input.
            source: the line on which the record arrived.
        """
        self._taken += 1
        if self._obj is None:
            return
        self._counters.read += 1
        try:
            is_delete = DELETED_AT in record and self._is_delete(record)
            if is_delete and not self._hard_delete:
                self._leave_alone(record, source_stream)
                return
            mapped = self._mapping.map_key(record) if is_delete else self._mapping.map(record)
        except RecordError as error:
            self._reject(error.reasons, record, source_stream, source)
            return
        target = self._delete_target if is_delete else self._sync_target
        # Unpacked, so that one object less is kept for each waiting record.
        key, ordering_keys, body, lead_value = mapped
        outbound = OutboundRecord(
            self.stream_name, target, key, ordering_keys, body, source_stream, source
        )
        if lead_value is not None:
            outbound.wanted = WantedLead(lead_value, self._line_number())
        self._dispatcher.take(outbound)

    def reject(
        self, reasons: Sequence[Reason], record: Record, source_stream: str, source: bytes
    ) -> None:
        """Reject a record for which `stream_maps` failed.

        Args:
            reasons: why the record is rejected.
            record: the record as it arrived.
            source_stream: name of the stream in the input.
            source: the line on which the record arrived.
        """
        self._taken += 1
        if self._obj is not None:
            self._counters.read += 1
            self._reject(reasons, record, source_stream, source)

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:  # noqa: ARG002 - the SDK's signature
        """Map and pass on a record, as `take` does; the SDK's base class requires this method."""
        self.take(record, self.stream_name, source_line(encode(record)))

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing, because sinks hold no records."""

    def clean_up(self) -> None:
        """Report the number of records that this sink has received to the SDK's metric."""
        self.record_counter_metric.increment(self._taken)
        super().clean_up()

    def _make_mapping(
        self, run: TargetRun, description: ObjectDescription, notes: StreamNotes
    ) -> RecordMapping | LookupRoleMapping:
        given: dict[str, t.Any] = {
            "description": description,
            "settings": run.settings,
            "notes": notes,
            "is_closed": self.schema.get("additionalProperties") is False,
        }
        stream, properties = self.stream_name, self.schema["properties"]
        if self._obj is MarketoObject.OPPORTUNITIES:
            return RecordMapping(stream, properties, **given)
        run.attribution.note_stream(stream)
        lookup_field = run.marketo.descriptions.lead_lookup_field(stream)
        given["leads"] = LeadProperties(lookup_field, description.field_names)
        make = LookupRoleMapping if lookup_field else RecordMapping
        return make(stream, properties, **given)

    def _destination(self, run: TargetRun) -> MarketoObject | None:
        return destination(
            self.stream_name,
            self.schema["properties"],
            stream_objects=run.settings.stream_objects,
            field_map=run.settings.field_map.get(self.stream_name, {}),
            key_fields=lambda: key_fields(
                run.marketo.descriptions.of(MarketoObject.OPPORTUNITIES), run.settings.dedupe_by
            ),
            logger=self.logger,
        )

    def _is_delete(self, record: Record) -> bool:
        try:
            return is_marked_deleted(record[DELETED_AT])
        except RecordError as error:
            raise RecordError([*error.reasons, *self._mapping.faults(record)]) from None

    def _reject(
        self,
        reasons: Sequence[Reason],
        record: Record,
        source_stream: str,
        source: bytes,
    ) -> None:
        assert self._obj is not None
        reject = Reject(
            source_stream,
            self._obj,
            source_record(source),
            tuple(reasons),
            key=self._key_of(record),
        )
        self._rejects.reject(self.stream_name, self._display_key(record), reject)

    def _leave_alone(self, record: Record, source_stream: str) -> None:
        assert self._obj is not None
        self._counters.count(self.stream_name, Outcome.LEFT_ALONE)
        if self._settled is not None:
            self._settled.take_left_alone(source_stream, self._obj, self._key_of(record))

    def _key_of(self, record: Record) -> dict[str, t.Any]:
        """Return the record's key as it arrived, with null for a lead ID that is looked up."""
        key = self._mapping.key_of(record)
        return {field: key.get(field) for field in self._sync_target.key_fields}

    def _display_key(self, record: Record) -> str:
        key = self._mapping.display_key(record)
        if isinstance(self._mapping, LookupRoleMapping):
            return with_line(key, self._line_number())
        return key
