"""Handle each kind of Singer message: check it, apply stream maps, and pass records to sinks."""

from __future__ import annotations

import logging
import typing as t
from functools import partial

from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from marketo_opps import MarketoError
from marketo_opps.plugin.base import EXPECTED_ERRORS
from target_marketo_opps.errors import InputError, NoSchemaError
from target_marketo_opps.input.batch_files import batch_records
from target_marketo_opps.json_lines import encode, source_line
from target_marketo_opps.mapping.delete_mark import DELETED_AT
from target_marketo_opps.mapping.routing import is_never_looked_at, log_ignored
from target_marketo_opps.stream_maps import failures, plain_record, written_name

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from singer_sdk.mapper import PluginMapper, StreamMap

    from marketo_opps import Record
    from target_marketo_opps.input.message_reader import MessageReader
    from target_marketo_opps.input_report import InputReport
    from target_marketo_opps.run import TargetRun
    from target_marketo_opps.sample import Sample
    from target_marketo_opps.sinks import ObjectSink

_LOGGER = logging.getLogger("target-marketo-opps")

_Message = dict[str, t.Any]
_Route = t.Callable[["Record", bytes], None]

_MAX_FORMS = 100
"""SCHEMAs of which the sinks are kept: those of a tap that alternates between a few."""


class _Form(t.NamedTuple):
    """How the records of a stream are taken under one of its SCHEMAs."""

    take: _Route
    sinks: list[ObjectSink]


class MessageHandlers:
    """Takes the messages of a run, one method for each type.

    The SDK's handlers are not used: they copy, validate and count each record, and drain sinks.

    Args:
        reader: reads the messages; its errors name the line.
        mapper: applies the setting `stream_maps`.
        make_sink: makes a sink, given a stream as after `stream_maps`, its schema and its keys.
        run: returns the run, which is made when the first message is about to be read.
        report: takes what is to be told at the end.
        sample: leaves out records past a sample.
    """

    def __init__(
        self,
        *,
        reader: MessageReader,
        mapper: PluginMapper,
        make_sink: Callable[[str, dict[str, t.Any], t.Sequence[str] | None], ObjectSink],
        run: Callable[[], TargetRun],
        report: InputReport,
        sample: Sample,
    ) -> None:
        self._reader = reader
        self._mapper = mapper
        self._make_sink = make_sink
        self._run = run
        self._report = report
        self._sample = sample
        self._routes: dict[str, _Route] = {}
        self._forms: dict[tuple[str, bytes], _Form] = {}
        self._versions_explained = False

    def clean_up(self) -> None:
        """Have the sinks tell the SDK what they have taken: the input has been read to its end."""
        for form in self._forms.values():
            for sink in form.sinks:
                sink.clean_up()

    def by_type(self) -> dict[str, Callable[[_Message], None]]:
        """Return message types with the methods that take them."""
        return {
            "RECORD": self.take_record,
            "SCHEMA": self.take_schema,
            "STATE": self.take_state,
            "BATCH": self.take_batch,
            "ACTIVATE_VERSION": self.take_version,
        }

    def take_record(self, message: _Message) -> None:
        """Pass a record to the sinks of its stream.

        Raises:
            InputError: the message is not a record, or its stream has had no SCHEMA.
        """
        self._take(message, self._reader.line)

    def _take(self, message: _Message, source: bytes) -> None:
        try:
            take = self._routes[message["stream"]]
            record = message["record"]
        except (KeyError, TypeError):
            raise self._unusable_record(message) from None
        if record.__class__ is not dict and take is not _drop:
            raise self._reader.error("its 'record' is not an object")
        take(record, source)

    def take_schema(self, message: _Message) -> None:
        """Prepare the sinks that a stream is written by.

        Raises:
            InputError: the message is not a schema.
            UnwritableStreamError: the stream cannot be written.
        """
        self._check_stream(message)
        stream = message["stream"]
        if self._is_never_looked_at(stream):
            self._routes[stream] = _drop
            return
        self._check_schema(message)
        form = stream, encode([message["schema"], message.get("key_properties")])
        known = self._forms.pop(form) if form in self._forms else self._new_form(message)
        self._forms[form] = known
        self._routes[stream] = known.take
        if len(self._forms) > _MAX_FORMS:
            self._forget_oldest_form()

    def take_state(self, message: _Message) -> None:
        """Keep a STATE until everything before it is delivered.

        Raises:
            InputError: the message has no value.
        """
        self._reader.assert_line_requires(message, {"value"})
        # Whoever keeps states would keep this one, and forget how far the tap has come.
        if message["value"] not in (None, {}):
            self._run().dispatcher.checkpoint(message["value"])

    def take_batch(self, message: _Message) -> None:
        """Pass the records of files to the sinks of their stream.

        Raises:
            InputError: the message is not a batch, or a file cannot be read.
        """
        self._reader.assert_line_requires(message, {"stream", "encoding", "manifest"})
        stream = message["stream"]
        if self._routes.get(stream) is _drop:
            return
        for record, line in batch_records(message["encoding"], message["manifest"]):
            self._take({"stream": stream, "record": record}, source_line(line))

    def take_version(self, _message: _Message) -> None:
        """Log, once, that ACTIVATE_VERSION has no effect."""
        if not self._versions_explained:
            self._versions_explained = True
            _LOGGER.info(
                "ACTIVATE_VERSION is accepted and has no effect: Marketo does not version its "
                "opportunities, and records that the tap no longer sends are not deleted.",
            )

    def _unusable_record(self, message: _Message) -> InputError:
        self._reader.assert_line_requires(message, {"stream", "record"})
        return NoSchemaError(
            f"Line {self._reader.line_number} of the input cannot be used: it is a RECORD "
            f"of stream '{message['stream']}', and no SCHEMA of that stream came before it.",
        )

    def _check_stream(self, message: _Message) -> None:
        self._reader.assert_line_requires(message, {"stream", "schema"})
        if not isinstance(message["stream"], str):
            raise self._reader.error("its 'stream' is not a string")

    def _is_never_looked_at(self, stream: str) -> bool:
        """Return whether a stream is ignored, or removed by `stream_maps`; a default is told."""
        name = written_name(self._mapper, stream)
        stream_objects = self._run().settings.stream_objects
        if name is not None and not is_never_looked_at(name, stream_objects):
            return False
        if name is not None and name not in stream_objects and stream not in self._routes:
            log_ignored(name, _LOGGER)
        self._report.note_stream(stream, stream if name is None else name)
        return True

    def _check_schema(self, message: _Message) -> None:
        error = self._reader.error
        stream, schema = message["stream"], message["schema"]
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            raise error(f"the schema of stream '{stream}' has no properties")
        if not all(isinstance(each, dict | bool) for each in schema["properties"].values()):
            raise error(f"a property in the schema of stream '{stream}' is not an object")
        keys = message.get("key_properties") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise error(f"the key_properties of stream '{stream}' are not a list of strings")

    def _forget_oldest_form(self) -> None:
        """Forget the form that has not been used for longest; a stream's present one stays."""
        for name, form in self._forms.items():
            if self._routes[name[0]] is not form.take:
                del self._forms[name]
                for sink in form.sinks:
                    sink.clean_up()
                return

    def _new_form(self, message: _Message) -> _Form:
        """Prepare the sinks that a stream is written by under the message's schema."""
        stream = message["stream"]
        sinks = self._registered_sinks(message)
        for sink in sinks:
            self._report.note_stream(stream, sink.stream_name)
            sink.prepare(
                self._run(),
                self._report.notes_of(sink.stream_name),
                is_excluded=self._is_excluded(sink.stream_name),
                line_number=lambda: self._reader.line_number,
            )
        take = self._route(stream, sinks, _named_alone(message["schema"]))
        return _Form(self._sample.limited(stream, take), sinks)

    def _registered_sinks(self, message: _Message) -> list[ObjectSink]:
        """Return the sinks of a stream under the schema of the message, one for each map."""
        try:
            return self._register(message)
        except (MarketoError, *EXPECTED_ERRORS):
            raise
        except Exception as error:
            # The SDK looks for types in every corner of a schema: whatever it stumbles over there
            # is the schema's.
            raise self._reader.error(
                f"stream_maps or flattening failed on the schema of stream "
                f"'{message['stream']}' ({type(error).__name__})",
            ) from error

    def _register(self, message: _Message) -> list[ObjectSink]:
        stream, schema, keys = message["stream"], message["schema"], message.get("key_properties")
        self._mapper.register_raw_stream_schema(stream, schema, keys)
        return [
            self._make_sink(
                stream_map.stream_alias,
                stream_map.transformed_schema,
                stream_map.transformed_key_properties,
            )
            for stream_map in self._mapper.stream_maps[stream]
        ]

    def _is_excluded(self, stream: str) -> bool:
        """Return whether `stream_maps` removes the stream."""
        maps = (one for maps in self._mapper.stream_maps.values() for one in maps)
        return any(
            isinstance(one, RemoveRecordTransform) and one.stream_alias == stream for one in maps
        )

    def _route(self, stream: str, sinks: list[ObjectSink], named: frozenset[str] | None) -> _Route:
        """Return the function that takes the stream's records: without a map, the sink's own."""
        maps = self._mapper.stream_maps[stream]
        only, sink = maps[0], sinks[0]
        if len(maps) == 1 and type(only) is SameRecordTransform and not only.flattening_enabled:
            return lambda record, source: sink.take(record, stream, source)
        return partial(self._take_mapped, stream, list(zip(maps, sinks, strict=True)), named)

    def _take_mapped(
        self,
        stream: str,
        maps: Iterable[tuple[StreamMap, ObjectSink]],
        named: frozenset[str] | None,
        record: Record,
        source: bytes,
    ) -> None:
        for stream_map, sink in maps:
            heeded = {key: record[key] for key in record if named is None or key in named}
            try:
                transformed = stream_map.transform(heeded)
            except Exception as error:  # noqa: BLE001 - the user's own expression may raise anything
                reasons = failures(self._mapper, stream, stream_map, record, error)
                sink.reject(reasons, record, stream, source)
                continue
            if transformed is not None:
                sink.take(plain_record(transformed), stream, source)


def _drop(*_ignored: object) -> None:
    """Take a record of a stream that is not looked at."""


def _named_alone(schema: dict[str, t.Any]) -> frozenset[str] | None:
    """Return the properties that records may have, where a SCHEMA allows no others.

    The mark of deletes stays: a delete must not turn into an upsert.
    """
    if schema.get("additionalProperties") is not False:
        return None
    return frozenset({*schema["properties"], DELETED_AT})
