"""Sinks: they map and hand on, and hold nothing."""

from __future__ import annotations

import typing as t

from singer_sdk.sinks import Sink

from target_marketo_opps.delivery.batching import Operation, Outgoing
from target_marketo_opps.delivery.outcomes import Fate
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.mapping.record_mapping import (
    DELETED_AT,
    RecordError,
    RecordMapping,
    is_marked_deleted,
    key_fields,
)
from target_marketo_opps.mapping.routing import destination

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from marketo_opps import MarketoObject, Record
    from target_marketo_opps.target import TargetMarketoOpps


class ObjectSink(Sink):
    """Maps the records of one stream under one schema, and hands them to the dispatcher.

    The SDK parks a stream's sink when its SCHEMA changes and drains it last, and drains sinks in
    parallel. Batches kept here would be overtaken, so they are kept by object, on the target.
    """

    def __init__(
        self,
        target: TargetMarketoOpps,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._obj: MarketoObject | None = None
        self._is_prepared = False
        self._taken = 0

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """None: records are checked against describe, which is what counts."""
        return None

    def prepare(self) -> None:
        """Decide where the stream goes, and how its records are mapped; once.

        Not in the SDK's `setup`: what fails there is logged by the SDK in a sentence of its own.

        Raises:
            StreamError: the stream cannot be written.
        """
        if self._is_prepared:
            return
        self._is_prepared = True
        target = self._target
        self._obj = None if target.is_excluded(self.stream_name) else self._destination()
        if self._obj is None:
            return
        description = target.work.describe(self._obj)
        self._mapping = RecordMapping(
            self.stream_name,
            self.schema["properties"],
            description=description,
            settings=target.settings,
            tell=self.logger.warning,
        )
        keys = key_fields(description, target.settings.dedupe_by)
        batcher = target.work.batcher
        self._sync_lane = batcher.lane(self._obj, Operation.SYNC, keys)
        self._delete_lane = batcher.lane(self._obj, Operation.DELETE, keys)
        self._hard_delete = target.settings.hard_delete
        self._dispatcher = target.work.dispatcher
        self._tally = target.work.tally
        self._tally.begin(self.stream_name)

    def take(self, record: Record, source_stream: str, source: Record) -> None:
        """Map a record and hand it on.

        Args:
            record: as after `stream_maps`.
            source_stream: the stream as it arrived.
            source: the record as it arrived.
        """
        self._taken += 1
        if self._obj is None:
            return
        self._tally.read += 1
        is_delete = DELETED_AT in record and is_marked_deleted(record)
        if is_delete and not self._hard_delete:
            self._tally.count(self.stream_name, Fate.LEFT_ALONE)
            return
        try:
            mapped = self._mapping.map_key(record) if is_delete else self._mapping.map(record)
        except RecordError as error:
            self._reject(error, record, source_stream, source)
            return
        key, locks, body = mapped
        lane = self._delete_lane if is_delete else self._sync_lane
        self._dispatcher.take(
            Outgoing(self.stream_name, lane, key, locks, body, source_stream, source),
        )

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:  # noqa: ARG002 - the SDK's signature
        """Take a record that has come the SDK's own way."""
        self.take(record, self.stream_name, record)

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Nothing: no record stays here."""

    def clean_up(self) -> None:
        """Tell the SDK's record counter what was taken: one step each would cost more."""
        self.record_counter_metric.increment(self._taken)
        super().clean_up()

    def _destination(self) -> MarketoObject | None:
        return destination(
            self.stream_name,
            self.schema["properties"],
            stream_objects=self._target.settings.stream_objects,
            key_fields=self._target.opportunity_key_fields,
            logger=self.logger,
        )

    def _reject(
        self,
        error: RecordError,
        record: Record,
        source_stream: str,
        source: Record,
    ) -> None:
        assert self._obj is not None
        reject = Reject(source_stream, self._obj, source, error.reasons)
        self._dispatcher.reject(
            self.stream_name,
            self._mapping.shown_key(record),
            reject,
        )
