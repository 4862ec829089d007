"""The plugin: what the SDK asks of a target, and how a run begins and ends."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import date
from decimal import Decimal
from functools import cached_property, partial

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.mapper import (
    MAPPER_ELSE_OPTION,
    PluginMapper,
    RemoveRecordTransform,
    SameRecordTransform,
)

from marketo_opps import MarketoError, MarketoObject
from marketo_opps.plugin.base import EXPECTED_ERRORS, MarketoPlugin
from marketo_opps.plugin.process import SHUTDOWN
from target_marketo_opps.errors import InputError, NoSchemaError, RejectLimitError, StreamError
from target_marketo_opps.input.batch_files import batch_records
from target_marketo_opps.input.message_reader import MessageReader
from target_marketo_opps.mapping.record_mapping import DELETED_AT, key_fields
from target_marketo_opps.run import Work
from target_marketo_opps.settings import CONFIG_SCHEMA, TargetSettings, combination_errors
from target_marketo_opps.sinks import ObjectSink

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

    from marketo_opps import Record

_Message = dict[str, t.Any]


class TargetMarketoOpps(MarketoPlugin, Target):
    """Singer target for the opportunities of Adobe Marketo Engage."""

    name = "target-marketo-opps"
    config_jsonschema = CONFIG_SCHEMA
    default_sink_class = ObjectSink
    message_reader_class = MessageReader
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.HARD_DELETE,
    ]
    shutdown = SHUTDOWN
    message_reader: MessageReader

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = TargetSettings.from_config(self.config)
        self.message_reader.before_read = self._before_read
        self.message_reader.guard = self._accounting
        self._routes: dict[str, Callable[[Record], None]] = {}
        self._versions_explained = False

    @cached_property
    def work(self) -> Work:
        """What a run needs besides the plugin; made when the first message is about to be read."""
        return Work(
            self.config,
            self.settings,
            shutdown=self.shutdown,
            pacing_window_seconds=self.pacing_window_seconds,
        )

    def opportunity_key_fields(self) -> tuple[str, ...]:
        """What tells opportunities apart."""
        return key_fields(self.work.describe(MarketoObject.OPPORTUNITIES), self.settings.dedupe_by)

    def is_excluded(self, stream: str) -> bool:
        """Whether `stream_maps` removes the stream."""
        maps = (one for maps in self.mapper.stream_maps.values() for one in maps)
        return any(
            isinstance(one, RemoveRecordTransform) and one.stream_alias == stream for one in maps
        )

    # Settings

    @classmethod
    def settings_errors(cls, settings: dict[str, t.Any]) -> list[str]:
        """Return what is wrong with the settings, each by itself and taken together."""
        return super().settings_errors(settings) + combination_errors(settings)

    def setup_mapper(self) -> None:
        """Read `stream_maps`; what `__else__` leaves out does not make an upsert of a delete."""
        maps = self.config.get("stream_maps") or {}
        keeping = {stream: _keeping_deletes(definition) for stream, definition in maps.items()}
        self.mapper = PluginMapper({**self.config, "stream_maps": keeping}, self.logger)

    # How a run begins and ends

    def _before_read(self, descriptor: int | None) -> None:
        self.work.dispatcher.before_read(descriptor)

    @contextlib.contextmanager
    def _accounting(self) -> Iterator[None]:
        """Whatever ends the run, settle what can be settled and say what was done."""
        try:
            yield
        except BaseException as error:
            is_input_error = isinstance(error, InputError | StreamError | RejectLimitError)
            self.work.end(deliver_rest=is_input_error)
            raise

    def process_endofpipe(self) -> None:
        """Deliver what is left, and say what was done."""
        with self._accounting():
            self.work.complete()
            super().process_endofpipe()
        self.work.end(deliver_rest=False)

    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        """Nothing: the sinks hold nothing."""

    # Messages

    def _process_schema_message(self, message_dict: _Message) -> None:
        self._check_schema(message_dict)
        self._register(message_dict)
        stream = message_dict["stream"]
        for stream_map in self.mapper.stream_maps[stream]:
            self._sink(stream_map).prepare()
        self._routes[stream] = self._route(stream)

    def _check_schema(self, message: _Message) -> None:
        self._assert_line_requires(message, requires={"stream", "schema"})
        if not isinstance(message["stream"], str):
            raise self.message_reader.error("the name of its stream is no text")
        schema = message["schema"]
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            raise self.message_reader.error(
                f"the schema of stream '{message['stream']}' has no properties",
            )
        if not all(isinstance(each, dict | bool) for each in schema["properties"].values()):
            raise self.message_reader.error(
                f"a property in the schema of stream '{message['stream']}' is no object",
            )

        keys = message.get("key_properties") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise self.message_reader.error(
                f"the key_properties of stream '{message['stream']}' are no list of names",
            )

    def _register(self, message: _Message) -> None:
        try:
            super()._process_schema_message(message)
        except (MarketoError, *EXPECTED_ERRORS):
            raise
        except Exception as error:
            # The SDK looks for types in every corner of a schema: whatever it stumbles over there
            # is the schema's.
            raise self.message_reader.error(
                f"the schema of stream '{message['stream']}' is none that stream_maps or "
                f"flattening can take ({type(error).__name__})",
            ) from error

    def _route(self, stream: str) -> Callable[[Record], None]:
        """What takes the stream's records: the sink itself where no map comes between."""
        maps = self.mapper.stream_maps[stream]
        only = maps[0]
        if len(maps) == 1 and type(only) is SameRecordTransform and not only.flattening_enabled:
            sink = self._sink(only)
            return lambda record: sink.take(record, stream, record)
        return partial(self._take_mapped, stream, maps)

    def _sink(self, stream_map: StreamMap) -> ObjectSink:
        return t.cast("ObjectSink", self.get_sink(stream_map.stream_alias))

    def _take_mapped(self, stream: str, maps: Iterable[StreamMap], record: Record) -> None:
        for stream_map in maps:
            try:
                transformed = stream_map.transform(dict(record))
            except Exception as error:
                # Expressions are the user's, so any exception may come of them.
                raise self.message_reader.error(
                    f"stream_maps fails on stream '{stream}' with {type(error).__name__}",
                ) from error
            if transformed is not None:
                self._sink(stream_map).take(_plain(transformed), stream, record)

    def _process_record_message(self, message_dict: _Message) -> None:
        try:
            take = self._routes[message_dict["stream"]]
            record = message_dict["record"]
        except (KeyError, TypeError):
            raise self._unusable_record(message_dict) from None
        if record.__class__ is not dict:
            raise self.message_reader.error("its record is no object")
        take(record)

    def _unusable_record(self, message: _Message) -> InputError:
        self._assert_line_requires(message, requires={"stream", "record"})
        return NoSchemaError(
            f"Line {self.message_reader.line_number} of the input cannot be used: it is a record "
            f"of stream '{message['stream']}', of which no SCHEMA has come yet.",
        )

    def _process_state_message(self, message_dict: _Message) -> None:
        self._assert_line_requires(message_dict, requires={"value"})
        self.work.dispatcher.checkpoint(message_dict["value"])

    def _process_activate_version_message(self, message_dict: _Message) -> None:  # noqa: ARG002 - the SDK's signature
        if not self._versions_explained:
            self._versions_explained = True
            self.logger.info(
                "ACTIVATE_VERSION is accepted and has no effect: Marketo keeps no versions of its "
                "opportunities, and what a tap no longer sends is not deleted.",
            )

    def _process_batch_message(self, message_dict: _Message) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        stream = message_dict["stream"]
        for record in batch_records(message_dict["encoding"], message_dict["manifest"]):
            self._process_record_message({"stream": stream, "record": record})


def _keeping_deletes(definition: t.Any) -> t.Any:
    """A stream's map that hands on when its records were deleted, unless it says otherwise."""
    if not isinstance(definition, dict) or MAPPER_ELSE_OPTION not in definition:
        return definition
    return {DELETED_AT: f"record.get('{DELETED_AT}')", **definition}


def _plain(record: dict[str, t.Any]) -> Record:
    """A record in the types that JSON has: expressions of stream maps may yield others."""
    return {name: _plain_value(value) for name, value in record.items()}


def _plain_value(value: t.Any) -> t.Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, float | Decimal) else value


def main() -> t.NoReturn:
    """Run the console script `target-marketo-opps`."""
    TargetMarketoOpps.run_console_script()
