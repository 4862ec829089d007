"""The base class of all streams, which writes typed records page by page."""

from __future__ import annotations

import functools
import logging
import typing as t
from datetime import UTC, datetime

from singer_sdk import Stream
from singer_sdk.exceptions import AbortedSyncPausedException
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import RecordMessage, SchemaMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from marketo_opps import SettingsError
from marketo_opps.fields import MARKETO_GUID, record_reader
from tap_marketo_opps.errors import StreamMapsError
from tap_marketo_opps.schemas import description_from_properties
from tap_marketo_opps.singer_writer import encode_message, encode_records
from tap_marketo_opps.sync.stream_output import StreamCounts
from tap_marketo_opps.typed_page import to_dict

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers import types
    from singer_sdk.mapper import StreamMap
    from singer_sdk.singerlib import Catalog
    from singer_sdk.singerlib.catalog import CatalogEntry

    from marketo_opps import Record
    from tap_marketo_opps.singer_writer import MessageWriter, TypedRecord

_MISFITS_LOGGED_AT_MOST = 5


class MarketoStream(Stream):
    """Base class of all streams, which writes a page of typed records at once.

    The SDK's slower way (map, encode and flush each record) is used only if the user has
    configured stream maps or flattening.

    Args:
        tap: The tap that the stream belongs to.
        name: Name of the stream.
        schema: JSON schema of the stream's records.

    Attributes:
        message_name: Name of the stream in messages and in `stream_maps`, which a catalog can
            change. States use the stream's original name.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    own_keys: tuple[str, ...] = (MARKETO_GUID,)
    own_replication_key: str | None = None

    def __init__(self, tap: Tap, name: str, schema: dict[str, t.Any]) -> None:
        super().__init__(tap, schema=schema, name=name)
        self.primary_keys = self.own_keys
        self.replication_key = self.own_replication_key
        self.counts = StreamCounts()
        self.writer = t.cast("MessageWriter", tap.message_writer)
        self.message_name = name
        self._plugin = tap

    @property
    def stream_maps(self) -> list[StreamMap]:
        """Return the user's stream maps for this stream, which the SDK stores by message name."""
        return self._plugin.mapper.stream_maps[self.message_name]

    # SDK features that this tap does not offer, or implements itself

    @property
    def emit_activate_version_messages(self) -> bool:
        """Return False: the tap writes no ACTIVATE_VERSION messages, which replace whole tables."""
        return False

    def log(self, message: str, *args: t.Any, level: int = logging.INFO, **kwargs: t.Any) -> None:
        """Log a message of the SDK; its "unhandled error" only at DEBUG.

        The tap itself logs a clear message for such an error.
        """
        if message.startswith("An unhandled error occurred"):
            level = logging.DEBUG
        super().log(message, *args, level=level, **kwargs)

    def get_batch_config(self, config: t.Mapping[str, t.Any]) -> None:
        """Return None, because the tap does not write BATCH messages."""

    def get_replication_key_signpost(self, context: types.Context | None = None) -> None:
        """Return None: the SDK sets no upper bound for replication key values.

        A run has its own upper bound, which is kept when it is resumed.
        """

    def finalize_state_progress_markers(self, state: dict[str, t.Any] | None = None) -> None:
        """Do nothing, because the run has already written its final STATE."""

    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog; use the stream's own key and replication key if the catalog has none.

        Raises:
            SettingsError: The stream is selected, but its schema lacks the key or replication key.
        """
        super().apply_catalog(catalog)
        if (entry := catalog.get_stream(self.name)) is None:
            return
        self.message_name = entry.stream or self.name
        if () not in entry.metadata:
            entry.metadata.root.selected = self.selected_by_default
        if self.selected:
            self._check_replication(entry)
        if not self.own_replication_key:
            # A catalog may set them by a pattern that is meant for other streams.
            self.replication_key = entry.replication_key = None
            self.forced_replication_method = REPLICATION_FULL_TABLE
        self.primary_keys = self.primary_keys or self.own_keys
        # The SDK makes the SCHEMA from the catalog entry, not from the stream.
        entry.key_properties = entry.key_properties or list(self.primary_keys)
        needed = dict.fromkeys((*self.primary_keys, self.replication_key, self.own_replication_key))
        names = [name for name in needed if name]
        _include(entry, names)
        self._keep_replication_key()
        if self.selected:
            self._check_schema_has(names)

    def _check_replication(self, entry: CatalogEntry) -> None:
        """Raise SettingsError if the catalog sets an unsupported replication key or method."""
        own, method = self.own_replication_key, self.forced_replication_method
        keys = {*filter(None, (self.replication_key, entry.metadata.root.replication_key))} - {own}
        methods = {None, REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL}
        wrong = [f"replication-key {key}" for key in sorted(keys)]
        wrong += [f"replication-method {method}"] if method not in methods else []
        if wrong and own:
            raise SettingsError(
                f"The catalog sets {' and '.join(wrong)} for {self.name}, which is either "
                f"INCREMENTAL by {own} or FULL_TABLE: correct the catalog, or create it again with "
                "--discover."
            )

    def _keep_replication_key(self) -> None:
        if self.own_replication_key and not self.replication_key:
            self.replication_key = self.own_replication_key
            if self.selected and self.forced_replication_method != REPLICATION_FULL_TABLE:
                self.logger.warning(
                    "The catalog has no replication-key for %s: the stream stays INCREMENTAL by "
                    "%s. To read all records in each run, set replication-method to FULL_TABLE.",
                    self.name,
                    self.own_replication_key,
                )

    def _check_schema_has(self, names: Iterable[str]) -> None:
        properties = self.effective_schema.get("properties", {})
        if missing := [name for name in names if name not in properties]:
            raise SettingsError(
                f"The catalog's schema of {self.name} lacks {' and '.join(missing)}, which the "
                "stream needs as key or bookmark: create the catalog again with --discover."
            )

    def write_schema(self) -> None:
        """Write the SCHEMA messages of the stream, except those already written."""
        for stream_map in self.stream_maps:
            if not isinstance(stream_map, RemoveRecordTransform):
                self.writer.write_message(
                    SchemaMessage(
                        stream_map.stream_alias,
                        stream_map.transformed_schema,
                        stream_map.transformed_key_properties,
                        [self.replication_key] if self.replication_key else None,
                    )
                )

    # Typed records

    @property
    def is_incremental(self) -> bool:
        """Return True if the stream is replicated incrementally."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @functools.cached_property
    def selected_fields(self) -> tuple[str, ...]:
        """Return the names of the fields to emit: the selected ones, key and replication key."""
        automatic = {*self.primary_keys, self.replication_key}
        return tuple(
            name
            for name in self.effective_schema["properties"]
            if name in automatic or self.mask["properties", name]
        )

    @functools.cached_property
    def convert_record(self) -> Callable[[Record], Record]:
        """Return a function that converts one of Marketo's records to the types of the schema."""
        description = description_from_properties(self.effective_schema["properties"])
        return record_reader(description, self.selected_fields, self.note_misfit)

    def note_misfit(self, field_name: str, guid: str) -> None:
        """Count a value not matching its field's type; log the first few with field and GUID."""
        self.counts.misfits += 1
        if self.counts.misfits <= _MISFITS_LOGGED_AT_MOST:
            self.logger.warning(
                "A value of %s in %s does not match its type and was set to null; marketoGUID %s.",
                field_name,
                self.name,
                guid,
            )

    def encode(self, records: Sequence[TypedRecord]) -> bytes:
        """Return RECORD messages for typed records, with stream maps and flattening applied."""
        self.counts.emitted += len(records)
        if self.is_mapped:
            return b"".join(map(encode_message, self._mapped(records)))
        return encode_records(self.message_name, records, datetime.now(UTC))

    @functools.cached_property
    def is_mapped(self) -> bool:
        """Return True if the user has configured stream maps or flattening."""
        maps = self.stream_maps
        plain = type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        return len(maps) != 1 or not plain

    def _mapped(self, records: Iterable[Record]) -> Iterator[dict[str, t.Any]]:
        for record in records:
            try:
                messages = [*self._map_one(record)]
            except Exception as error:
                # Users write the expressions, so they can raise any exception.
                raise StreamMapsError(self.name, error) from error
            yield from messages

    def _map_one(self, record: Record) -> Iterator[dict[str, t.Any]]:
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                now = datetime.now(UTC)
                yield RecordMessage(stream_map.stream_alias, mapped, time_extracted=now).to_dict()

    # Syncing

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all records page by page; yield stream name and records of each written page."""
        raise NotImplementedError

    def get_records(
        self,
        context: types.Context | None,  # noqa: ARG002 - streams are not partitioned
    ) -> Iterator[Record]:
        """Yield this stream's records one by one, after `pages` has written them."""
        for name, records in self.pages():
            if name == self.name:
                yield from map(to_dict, records)

    # A private method of the SDK. The SDK's `sync` is final and calls this loop, which would write
    # and flush each record separately and bookmark the greatest value seen.
    def _sync_records(
        self,
        context: types.Context | None = None,  # noqa: ARG002 - streams are not partitioned
        *,
        write_messages: bool = True,  # noqa: ARG002 - false for BATCH only
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        """Write records page by page; a dry run stops at its record limit."""
        with self.get_record_counter() as counter, self.get_sync_timer():
            # An earlier stream's run may have emitted records of this stream.
            counter.increment(self.counts.emitted)
            for name, records in self.pages():
                if name == self.name:
                    counter.increment(len(records))
                    yield from map(to_dict, records) if self.is_dry_run else ()
                if self.counts.emitted >= self.record_limit:
                    raise AbortedSyncPausedException

    @property
    def is_dry_run(self) -> bool:
        """Return True if the SDK reads only a few records of each stream, for a test."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @property
    def record_limit(self) -> float:
        """Return the maximum number of records to emit in a dry run; infinity in any other run."""
        limit = self.ABORT_AT_RECORD_COUNT
        return float("inf") if limit is None else limit


def _include(entry: CatalogEntry, names: Iterable[str]) -> None:
    """Make the SCHEMA include these fields, even if the entry's metadata does not select them."""
    for name in names:
        # Without metadata all fields are selected; adding some would deselect the others.
        if metadata := entry.metadata.get(("properties", name)):
            metadata.inclusion = metadata.InclusionType.AUTOMATIC
