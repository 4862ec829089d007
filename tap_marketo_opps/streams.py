"""The four streams, as the SDK sees them."""

from __future__ import annotations

import functools
import logging
import time
import typing as t
from dataclasses import replace
from datetime import UTC, datetime

from singer_sdk import Stream
from singer_sdk.exceptions import MaxRecordsLimitException
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from marketo_opps import (
    AccessDeniedError,
    FieldDescription,
    ObjectDescription,
    SettingsError,
)
from marketo_opps.fields import (
    CREATED_AT,
    MARKETO_GUID,
    UPDATED_AT,
    object_schema,
    record_reader,
)
from marketo_opps.plugin.workers import Workers
from tap_marketo_opps.field_metadata import FIELDS, FieldReader
from tap_marketo_opps.finding.activity_log import ACTIVITIES, ACTIVITY_DATE
from tap_marketo_opps.singer_writer import encode_message, encode_records
from tap_marketo_opps.sync.error_advice import FieldsDeniedError, StreamMapsError
from tap_marketo_opps.sync.progress import Pulse, counted
from tap_marketo_opps.typed_page import PageReader, Typed, moment_reader, to_dict

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog
    from singer_sdk.singerlib.catalog import CatalogEntry

    from marketo_opps import Record
    from tap_marketo_opps.tap import TapMarketoOpps

ATTRIBUTES = "attributes"
_MISFITS_NAMED_AT_MOST = 5
_DATA_TYPES = {"integer": "integer", "number": "float", "boolean": "boolean"}
_DATA_TYPES_BY_FORMAT = {"date": "date", "date-time": "datetime"}


class MarketoStream(Stream):
    """What all four have in common: typed records, a page of them written at once.

    The SDK's own way for each record (conform, pop, map, encode, flush) is taken only where the
    user has configured stream maps or flattening.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    _tap: TapMarketoOpps

    def __init__(self, tap: TapMarketoOpps, name: str, schema: dict[str, t.Any]) -> None:
        super().__init__(tap, schema=schema, name=name)
        self.primary_keys = self.own_keys
        self.replication_key = self.own_replication_key
        self.misfits = 0
        self.emitted = 0
        self._schema_written = False

    own_keys: tuple[str, ...] = (MARKETO_GUID,)
    own_replication_key: str | None = None

    # What the SDK offers and this tap does not, or does itself

    @property
    def emit_activate_version_messages(self) -> bool:
        """No: a full table is never complete here but for the fields."""
        return False

    def log(self, message: str, *args: t.Any, level: int = logging.INFO, **kwargs: t.Any) -> None:
        """As the SDK, its "unhandled error" for debugging only: a plain sentence is to follow."""
        if message.startswith("An unhandled error occurred"):
            level = logging.DEBUG
        super().log(message, *args, level=level, **kwargs)

    def get_batch_config(self, config: t.Mapping[str, t.Any]) -> None:
        """None: BATCH is not offered."""

    def get_replication_key_signpost(self, context: types.Context | None = None) -> None:
        """None: runs have an upper bound of their own, which outlives an interrupted attempt."""

    def finalize_state_progress_markers(self, state: dict[str, t.Any] | None = None) -> None:
        """Nothing: the run has written its last STATE."""

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take a catalog's word, but never lose key or replication key by its silence.

        Raises:
            SettingsError: the stream is selected, and its schema lacks one of them.
        """
        super().apply_catalog(catalog)
        if (entry := catalog.get_stream(self.name)) is None:
            return
        self.primary_keys = self.primary_keys or self.own_keys
        # The SCHEMA is made of the entry, not of the stream.
        entry.key_properties = entry.key_properties or list(self.primary_keys)
        needed = dict.fromkeys((*self.primary_keys, self.replication_key, self.own_replication_key))
        names = [name for name in needed if name]
        _include(entry, names)
        self._keep_replication_key()
        if self.selected:
            self._check_schema_has(names)

    def _keep_replication_key(self) -> None:
        if self.own_replication_key and not self.replication_key:
            self.replication_key = self.own_replication_key
            if self.selected and self.forced_replication_method != REPLICATION_FULL_TABLE:
                self.logger.warning(
                    "The catalog names no replication-key for %s: it stays incremental by %s. To "
                    "read all of it each time, set replication-method FULL_TABLE.",
                    self.name,
                    self.own_replication_key,
                )

    def _check_schema_has(self, names: Iterable[str]) -> None:
        properties = self.effective_schema.get("properties", {})
        if missing := [name for name in names if name not in properties]:
            raise SettingsError(
                f"The catalog's schema of {self.name} lacks {' and '.join(missing)}, without which "
                "its records cannot be told apart or bookmarked: write the catalog anew with "
                "--discover."
            )

    def write_schema(self) -> None:
        """Write the SCHEMA, unless it has been."""
        self._write_schema_message()

    def _write_schema_message(self) -> None:
        """Write the SCHEMA once, though one run may write several streams."""
        if not self._schema_written:
            super()._write_schema_message()
            self._schema_written = True

    # Typed records

    @property
    def is_incremental(self) -> bool:
        """Whether only changes are wanted."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @functools.cached_property
    def selected_fields(self) -> tuple[str, ...]:
        """The fields that are emitted, keys included."""
        automatic = {*self.primary_keys, self.replication_key}
        return tuple(
            name
            for name in self.effective_schema["properties"]
            if name in automatic or self.mask["properties", name]
        )

    @functools.cached_property
    def read_record(self) -> Callable[[Record], Record]:
        """From a record as Marketo sends it to one as the schema says."""
        description = _description(self.effective_schema["properties"])
        return record_reader(description, self.selected_fields, self.note_misfit)

    def note_misfit(self, field_name: str, guid: str) -> None:
        """Count a value that does not fit its type, and tell where the first few are."""
        self.misfits += 1
        if self.misfits <= _MISFITS_NAMED_AT_MOST:
            self.logger.warning(
                "A value of %s in %s does not fit its type and is null instead; marketoGUID %s.",
                field_name,
                self.name,
                guid,
            )

    # Lines

    def lines(self, records: Sequence[Typed]) -> bytes:
        """RECORD messages of typed records, mapped and flattened as the user wants."""
        self.emitted += len(records)
        if self.is_mapped:
            return b"".join(map(encode_message, self._mapped(records)))
        return encode_records(self.name, records, datetime.now(UTC)) if records else b""

    @functools.cached_property
    def is_mapped(self) -> bool:
        """Whether the user has configured stream maps or flattening."""
        maps = self.stream_maps
        plain = type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        return len(maps) != 1 or not plain

    def _mapped(self, records: Iterable[Record]) -> Iterator[dict[str, t.Any]]:
        for record in records:
            yield from self._mapped_one(record)

    def _mapped_one(self, record: Record) -> list[dict[str, t.Any]]:
        try:
            return [message.to_dict() for message in self._generate_record_messages(record)]
        except Exception as error:
            # Expressions are the user's, so any exception may come of them.
            raise StreamMapsError(self.name, error) from error

    # Syncing

    def pages(self) -> Iterator[tuple[MarketoStream, list[Typed]]]:
        """Write all there is; yields what was written, by stream."""
        raise NotImplementedError

    def get_records(
        self,
        context: types.Context | None,  # noqa: ARG002 - streams are not partitioned
    ) -> Iterator[Record]:
        """This stream's records, one by one; `pages` writes them, too."""
        for stream, records in self.pages():
            if stream is self:
                yield from map(to_dict, records)

    def _sync_records(
        self,
        context: types.Context | None = None,  # noqa: ARG002 - streams are not partitioned
        *,
        write_messages: bool = True,  # noqa: ARG002 - false for BATCH only
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        """Write page by page; a dry run ends at its record limit."""
        with self.get_record_counter() as counter, self.get_sync_timer():
            # What an earlier stream's run has brought along.
            counter.increment(self.emitted)
            for stream, records in self.pages():
                if stream is self:
                    counter.increment(len(records))
                    yield from map(to_dict, records) if self.is_dry_run else ()
                if self.emitted >= self.record_limit:
                    self._abort_sync(MaxRecordsLimitException("the dry run's limit is reached"))

    @property
    def is_dry_run(self) -> bool:
        """Whether the SDK only tries each stream out."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @property
    def record_limit(self) -> float:
        """How many records a dry run may emit."""
        limit = self.ABORT_AT_RECORD_COUNT
        return float("inf") if limit is None else limit


class FoundStream(MarketoStream):
    """A stream whose records are found by a finder, perhaps together with others."""

    own_replication_key: str = UPDATED_AT

    @functools.cached_property
    def read_page(self) -> Callable[[Sequence[Record]], list[tuple[str | None, Typed]]]:
        """From a page as Marketo sends it to typed records, each with its replication key value."""
        if self.is_mapped:
            return self._read_each
        return PageReader(
            _description(self.effective_schema["properties"]),
            self.selected_fields,
            self.own_replication_key,
            self.note_misfit,
        )

    @functools.cached_property
    def read_moment(self) -> Callable[[Record], str | None]:
        """A record's replication key value, whether or not its schema holds it."""
        return moment_reader(self.own_replication_key)

    def _read_each(self, records: Sequence[Record]) -> list[tuple[str | None, Typed]]:
        # Before typing: an activity's record is taken apart by it.
        changed = [*map(self.read_moment, records)]
        return [*zip(changed, map(self.read_record, records), strict=True)]

    def pages(self) -> Iterator[tuple[MarketoStream, list[Typed]]]:
        """Run what finds this stream's records, unless another stream has led the run before."""
        run = self._tap.run_led_by(self)
        return iter(()) if run is None else run.pages()


class OpportunityActivitiesStream(FoundStream):
    """The activity log's own entries."""

    own_replication_key = ACTIVITY_DATE
    selected_by_default = False

    @functools.cached_property
    def read_page(self) -> Callable[[Sequence[Record]], list[tuple[str | None, Typed]]]:
        """The same, one by one: there are never many."""
        return self._read_each

    @functools.cached_property
    def read_record(self) -> Callable[[Record], Record]:
        """The same, with the type's name, and with the attributes as an object."""
        names = self._tap.activity_types
        typed = super().read_record
        has_attributes = ATTRIBUTES in self.selected_fields

        def read(activity: Record) -> Record:
            attributes = _as_object(activity.pop(ATTRIBUTES, None))
            activity["activityType"] = names.get(_type_id(activity))
            return typed(activity) | ({ATTRIBUTES: attributes} if has_attributes else {})

        return read


class OpportunityFieldsStream(MarketoStream):
    """What Marketo says of the opportunity's fields: all of them, or some by name."""

    own_keys = ("name",)

    def pages(self) -> Iterator[tuple[MarketoStream, list[Typed]]]:
        """Read and write them; there is nothing to bookmark."""
        client, began = self._tap.client, time.monotonic()
        before = client.counts
        workers = Workers(self.config["max_concurrent_calls"], "marketo-fields")
        pulse = Pulse(time.monotonic)

        def tell_how_far() -> None:
            if pulse.is_due:
                so_far = counted(self.emitted, "record"), counted(calls(), "call")
                self.logger.info("%s: %s", self.name, ", ".join(so_far))

        def calls() -> int:
            return client.counts.calls - before.calls

        reader = FieldReader(client, workers, self.config["batch_size"], tell_how_far)
        try:
            names = self.config.get("field_names")
            for page in (
                reader.browsed() if names is None else reader.by_name([*dict.fromkeys(names)])
            ):
                records = [self.read_record(record) for record in page]
                self._tap.write_page(self.lines(records))
                tell_how_far()
                yield self, records
        except AccessDeniedError as error:
            raise FieldsDeniedError(error) from error
        finally:
            workers.close()
        self._tell(reader.missing, calls(), time.monotonic() - began)

    def _tell(self, missing: list[str], calls: int, seconds: float) -> None:
        line = f"{self.name}: {self.emitted:,} records, {calls:,} calls, {seconds:.1f} seconds"
        if missing:
            line += f"; the instance has no field {', '.join(missing)}"
        self.logger.log(logging.WARNING if missing else logging.INFO, "%s", line)


# Schemas

_ACTIVITY_FIELDS = {
    MARKETO_GUID: "string",
    "leadId": "integer",
    ACTIVITY_DATE: "datetime",
    "activityTypeId": "integer",
    "activityType": "string",
    "campaignId": "integer",
    "primaryAttributeValueId": "integer",
    "primaryAttributeValue": "string",
}
_FIELD_FIELDS = {
    "name": "string",
    "displayName": "string",
    "description": "string",
    "dataType": "string",
    "length": "integer",
    "isHidden": "boolean",
    "isHtmlEncodingInEmail": "boolean",
    "isSensitive": "boolean",
    "isCustom": "boolean",
    "isApiCreated": "boolean",
}


def activities_schema() -> dict[str, t.Any]:
    """Of the documented shape of an activity."""
    schema = object_schema(_documented(ACTIVITIES, MARKETO_GUID, _ACTIVITY_FIELDS))
    schema["properties"][ATTRIBUTES] = {"type": ["object", "null"], "additionalProperties": True}
    return schema


def fields_schema() -> dict[str, t.Any]:
    """Of the documented shape of a field."""
    return object_schema(_documented(FIELDS, "name", _FIELD_FIELDS))


def dated(description: ObjectDescription) -> ObjectDescription:
    """The same with both dates: records have them, though describe of roles may list neither."""
    missing = tuple(
        FieldDescription(name, title, "datetime")
        for name, title in ((CREATED_AT, "Created At"), (UPDATED_AT, "Updated At"))
        if description.field(name) is None
    )
    return replace(description, fields=description.fields + missing)


def keys_schema(stream: str) -> dict[str, t.Any]:
    """Of a stream that a catalog does not speak of: it is not selected, and no call is made."""
    fields = {MARKETO_GUID: "string", UPDATED_AT: "datetime"}
    return object_schema(_documented(stream, MARKETO_GUID, fields))


def _include(entry: CatalogEntry, names: Iterable[str]) -> None:
    """Have fields in the SCHEMA, whatever the entry's metadata selects."""
    for name in names:
        # Without metadata all fields are selected; to add some would deselect the others.
        if metadata := entry.metadata.get(("properties", name)):
            metadata.inclusion = metadata.InclusionType.AUTOMATIC


def _documented(name: str, key: str, data_types: dict[str, str]) -> ObjectDescription:
    fields = tuple(FieldDescription(field, "", kind) for field, kind in data_types.items())
    return ObjectDescription(name, key, (key,), ((key,),), fields)


def _description(properties: dict[str, t.Any]) -> ObjectDescription:
    """What describe must have said, from a catalog's properties."""
    data_types = {name: _data_type(schema) for name, schema in properties.items()}
    return _documented("", MARKETO_GUID, data_types)


def _data_type(schema: dict[str, t.Any]) -> str:
    if (form := schema.get("format")) in _DATA_TYPES_BY_FORMAT:
        return _DATA_TYPES_BY_FORMAT[form]
    kinds = schema.get("type", "string")
    named = [kinds] if isinstance(kinds, str) else kinds
    return next((_DATA_TYPES[kind] for kind in named if kind in _DATA_TYPES), "string")


def _as_object(attributes: t.Any) -> dict[str, t.Any] | None:
    if not isinstance(attributes, list):
        return attributes if isinstance(attributes, dict) else None
    pairs = (pair for pair in attributes if isinstance(pair, dict))
    return {str(pair.get("name")): pair.get("value") for pair in pairs}


def _type_id(activity: Record) -> int:
    try:
        return int(activity["activityTypeId"])
    except (KeyError, TypeError, ValueError):
        return 0
