"""The streams of opportunities, roles and field metadata."""

from __future__ import annotations

import functools
import logging
import time
import typing as t

from marketo_opps import AccessDeniedError
from marketo_opps.fields import UPDATED_AT
from marketo_opps.plugin.workers import Workers
from marketo_opps.wording import counted
from tap_marketo_opps.deletion_mark import add_mark, make_mark_automatic
from tap_marketo_opps.errors import FieldsDeniedError
from tap_marketo_opps.field_metadata import FIELDS, FieldReader
from tap_marketo_opps.marketo_stream import MarketoStream
from tap_marketo_opps.reconcile.row_types import DELETED_AT
from tap_marketo_opps.schemas import description_from_properties, fields_schema
from tap_marketo_opps.settings import skip_reason
from tap_marketo_opps.sync.closing_notes import without_key
from tap_marketo_opps.sync.stream_output import StreamOutput
from tap_marketo_opps.typed_page import PageConverter, replication_key_reader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog, MetadataMapping

    from marketo_opps import ObjectDescription, Record
    from tap_marketo_opps.singer_writer import TypedRecord
    from tap_marketo_opps.sync.run_context import RunContext, StreamRun
    from tap_marketo_opps.sync.stream_output import ConvertPage


class LookupStream(MarketoStream):
    """A stream whose records are found by a run, which may serve several streams.

    Args:
        tap: The tap that the stream belongs to.
        name: Name of the stream.
        schema: JSON schema of the stream's records.
        start_run: Returns the run that finds the stream's records; None if an earlier stream
            started it.
    """

    own_replication_key: str = UPDATED_AT
    found_in: str | None = None

    def __init__(
        self,
        tap: Tap,
        name: str,
        schema: dict[str, t.Any],
        start_run: Callable[[LookupStream], StreamRun | None],
    ) -> None:
        super().__init__(tap, name, schema)
        self._start_run = start_run

    def output(self) -> StreamOutput:
        """Return what a run needs to write this stream, such as its fields, state and counts."""
        return StreamOutput(
            name=self.name,
            fields=self.selected_fields,
            is_incremental=self.is_incremental,
            replication_key=self.replication_key,
            record_limit=self.record_limit,
            state=self.stream_state,
            counts=self.counts,
            convert_page=self.page_converter(),
            encode=self.encode,
            write_schema=self.write_schema,
            found_in=self.found_in or self.name,
            records_in=self.records_in,
            known_fields=frozenset(self.effective_schema["properties"]),
            field_types=self._field_types(),
            note_misfit=self.note_misfit,
        )

    def records_in(self, found: Sequence[Record]) -> Sequence[Record]:
        """Return the stream's records in a page that the run has found; by default all records."""
        return found

    def _field_types(self) -> ObjectDescription:
        return description_from_properties(self.effective_schema["properties"])

    def page_converter(self) -> ConvertPage:
        """Return a function that converts a page of records to the types of the schema."""
        if self.is_mapped:
            return self.convert_each
        return PageConverter(
            self._field_types(),
            self.selected_fields,
            self.own_replication_key,
            self.note_misfit,
        )

    def convert_each(self, records: Sequence[Record]) -> list[tuple[str | None, TypedRecord]]:
        """Convert a page's records one by one to the types of the schema.

        Return a pair of replication key value and converted record for each.
        """
        changed = map(replication_key_reader(self.own_replication_key), records)
        return [*zip(changed, map(self.convert_record, records), strict=True)]

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all records page by page; yield stream name and records of each written page.

        Yield nothing if the run of an earlier stream has written this stream's records, too.
        """
        run = self._start_run(self)
        return iter(()) if run is None else run.pages()


class DeletableStream(LookupStream):
    """A stream whose records can be marked as deleted, by the property `_sdc_deleted_at`.

    Its SCHEMA has this property, which is not a field in Marketo: `find_by: reconcile` sets it.
    """

    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog, after adding `_sdc_deleted_at` where an older catalog lacks it."""
        if entry := catalog.get_stream(self.name):
            add_mark(entry)
        super().apply_catalog(catalog)

    @property
    def metadata(self) -> MetadataMapping:
        """Return the metadata of the properties, with `_sdc_deleted_at` included automatically."""
        metadata = super().metadata
        make_mark_automatic(metadata)
        return metadata

    @functools.cached_property
    def selected_fields(self) -> tuple[str, ...]:
        """Return the names of the fields to request and to emit, without `_sdc_deleted_at`."""
        return tuple(name for name in super().selected_fields if name != DELETED_AT)


class OpportunityFieldsStream(MarketoStream):
    """The stream of the opportunity's field metadata: all fields, or those in `field_names`.

    Args:
        tap: The tap that the stream belongs to.
        get_context: Returns the objects that all runs of the tap share.
    """

    own_keys = ("name",)

    def __init__(self, tap: Tap, get_context: Callable[[], RunContext]) -> None:
        super().__init__(tap, FIELDS, fields_schema())
        self._get_context = get_context

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all fields page by page, without a bookmark; yield stream name and records."""
        if reason := skip_reason(self.config, self.name):
            self.logger.info("%s", reason)
            return
        context = self._get_context()
        if context.time_box.admits(self.name):
            context.time_box.begin(self.name)
            yield from self._read(context)

    def _read(self, context: RunContext) -> Iterator[tuple[str, list[TypedRecord]]]:
        box, progress = context.time_box, _FieldsProgress(self, context)
        workers = Workers(self.config["max_concurrent_calls"], "marketo-fields")
        reader = FieldReader(
            context.client, workers, self.config["batch_size"], box, progress.log_if_due
        )
        try:
            with box.pausing(lambda: f"{progress} of {self.name}, which starts over"):
                for records in self._records(reader):
                    context.write_page(self.encode(records))
                    progress.log_if_due()
                    box.stop_calls_if_over()
                    yield self.name, records
        except AccessDeniedError as error:
            raise FieldsDeniedError(error) from error
        finally:
            workers.close()
        progress.log_result(reader.missing)

    def _records(self, reader: FieldReader) -> Iterator[list[TypedRecord]]:
        """Yield the typed records of each page of fields."""
        names = self.config.get("field_names")
        pages = reader.browse() if names is None else reader.by_name([*dict.fromkeys(names)])
        for page in pages:
            records = [self.convert_record(record) for record in page if record.get("name")]
            self.counts.keyless += len(page) - len(records)
            yield records


class _FieldsProgress:
    """Logs the progress and the result of the stream `opportunity_fields`.

    Args:
        stream: The stream of the fields, which counts its records.
        context: Objects that all runs of the tap share.
    """

    def __init__(self, stream: OpportunityFieldsStream, context: RunContext) -> None:
        self._stream = stream
        self._client = context.client
        self._calls_before = context.client.counts.calls
        self._began = time.monotonic()
        self._throttle = context.throttle()

    def __str__(self) -> str:
        calls = self._client.counts.calls - self._calls_before
        return f"{counted(self._stream.counts.emitted, 'record')}, {counted(calls, 'call')}"

    def log_if_due(self) -> None:
        """Log how many fields have been read, unless that was logged a few seconds ago."""
        if self._throttle.is_due():
            # As text: a handler may format the record later, when the counts are others.
            self._stream.logger.info("%s: %s", self._stream.name, str(self))

    def log_result(self, missing: list[str]) -> None:
        """Log how many fields were read, how long it took, and which requested fields do not exist.

        Args:
            missing: Requested names for which the instance has no field.
        """
        name, logger = self._stream.name, self._stream.logger
        line = f"{name}: {self}, {time.monotonic() - self._began:.1f} s"
        if missing:
            line += f"; the instance has no field {', '.join(missing)}"
        logger.log(logging.WARNING if missing else logging.INFO, "%s", line)
        if keyless := self._stream.counts.keyless:
            logger.warning("%s", without_key(name, "name", keyless))
