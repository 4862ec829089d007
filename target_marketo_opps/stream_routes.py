"""Prepare the sinks of each stream under each of its SCHEMAs, and pass records to them."""

from __future__ import annotations

import typing as t
from functools import partial

from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from marketo_opps import MarketoError
from marketo_opps.plugin.base import EXPECTED_ERRORS
from marketo_opps.plugin.map_expressions import check_expressions
from target_marketo_opps.json_lines import encode
from target_marketo_opps.mapping.delete_mark import DELETED_AT
from target_marketo_opps.stream_maps import applied, failures, plain_record

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from singer_sdk.mapper import PluginMapper, StreamMap

    from marketo_opps import Record
    from target_marketo_opps.input.message_reader import MessageReader
    from target_marketo_opps.input_report import InputReport
    from target_marketo_opps.run import TargetRun
    from target_marketo_opps.sample import Sample
    from target_marketo_opps.sinks import ObjectSink

_Message = dict[str, t.Any]
TakeRecord = t.Callable[["Record", bytes], None]
"""Takes a record and the line of the input that it was on."""

_MAX_ROUTES = 100
"""Number of SCHEMAs whose sinks are kept: a tap may alternate between a few SCHEMAs."""


class _Route(t.NamedTuple):
    """The sinks of one stream under one of its SCHEMAs.

    Attributes:
        take: passes a record of the stream to the sinks.
        sinks: one for each stream map of the stream.
    """

    take: TakeRecord
    sinks: list[ObjectSink]


class StreamRoutes:
    """Keeps the sinks for each stream and SCHEMA, and passes records to the current ones.

    Args:
        reader: reads the messages; its errors name the line.
        mapper: applies the setting `stream_maps`.
        make_sink: makes a sink, given the name of a stream after `stream_maps`, its schema and its
            key properties.
        run: returns the run; not called before the first SCHEMA, because it connects to Marketo.
        report: collects what is logged about the streams at the end of the run.
        sample: limits the number of records per stream.

    Attributes:
        current: the function that takes the records of a stream, by the name of the stream in the
            input.
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
        self.current: dict[str, TakeRecord] = {}
        self._reader = reader
        self._mapper = mapper
        self._make_sink = make_sink
        self._run = run
        self._report = report
        self._sample = sample
        self._routes: dict[tuple[str, bytes], _Route] = {}

    def drop(self, stream: str) -> None:
        """Ignore all records of a stream from now on."""
        self.current[stream] = drop_record

    def use_schema(self, message: _Message) -> None:
        """Pass later records of a stream to sinks that are made for the SCHEMA in a message.

        Raises:
            SettingsError: an expression of `stream_maps` for the stream is invalid.
            InputError: `stream_maps` or flattening fails on the schema.
            UnwritableStreamError: the stream cannot be written.
        """
        stream = message["stream"]
        name = stream, encode([message["schema"], message.get("key_properties")])
        # The route is put at the end of the dictionary, where the one used last belongs.
        route = self._routes.pop(name) if name in self._routes else self._new_route(message)
        self._routes[name] = route
        self.current[stream] = route.take
        if len(self._routes) > _MAX_ROUTES:
            self._forget_oldest()

    def clean_up(self) -> None:
        """Report the record counts of all sinks to the SDK, at the end of the input."""
        for route in self._routes.values():
            for sink in route.sinks:
                sink.clean_up()

    def _forget_oldest(self) -> None:
        """Discard the least recently used sinks of a SCHEMA that a later SCHEMA has replaced."""
        for name, route in self._routes.items():
            if self.current[name[0]] is not route.take:
                del self._routes[name]
                for sink in route.sinks:
                    sink.clean_up()
                return

    def _new_route(self, message: _Message) -> _Route:
        """Create and prepare the sinks for the SCHEMA in a message; return their route."""
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
        take = self._take_function(stream, sinks, _allowed_properties(message["schema"]))
        return _Route(self._sample.limited(stream, take), sinks)

    def _registered_sinks(self, message: _Message) -> list[ObjectSink]:
        """Return new sinks for the SCHEMA in a message, one for each stream map of the stream."""
        try:
            return self._register(message)
        except (MarketoError, *EXPECTED_ERRORS):
            raise
        except Exception as error:
            # The SDK reads types in every part of a schema and raises many kinds of exceptions
            # there, each because of the schema.
            raise self._reader.error(
                f"stream_maps or flattening failed on the schema of stream "
                f"'{message['stream']}' ({type(error).__name__})",
            ) from error

    def _register(self, message: _Message) -> list[ObjectSink]:
        stream, schema, keys = message["stream"], message["schema"], message.get("key_properties")
        check_expressions(applied(self._mapper, stream))
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
        """Return whether `stream_maps` removes a stream."""
        maps = (one for maps in self._mapper.stream_maps.values() for one in maps)
        return any(
            isinstance(one, RemoveRecordTransform) and one.stream_alias == stream for one in maps
        )

    def _take_function(
        self, stream: str, sinks: list[ObjectSink], allowed: frozenset[str] | None
    ) -> TakeRecord:
        """Return a function that passes a stream's records, after `stream_maps`, to its sinks.

        Args:
            stream: name of the stream in the input.
            sinks: one for each stream map of the stream.
            allowed: names of the properties that records may have; None if any.
        """
        maps = self._mapper.stream_maps[stream]
        only, sink = maps[0], sinks[0]
        if len(maps) == 1 and type(only) is SameRecordTransform and not only.flattening_enabled:
            return lambda record, source: sink.take(record, stream, source)
        return partial(self._take_mapped, stream, list(zip(maps, sinks, strict=True)), allowed)

    def _take_mapped(
        self,
        stream: str,
        maps: Iterable[tuple[StreamMap, ObjectSink]],
        allowed: frozenset[str] | None,
        record: Record,
        source: bytes,
    ) -> None:
        for stream_map, sink in maps:
            kept = {key: record[key] for key in record if allowed is None or key in allowed}
            try:
                transformed = stream_map.transform(kept)
            except Exception as error:  # noqa: BLE001 - the user's own expression may raise anything
                reasons = failures(self._mapper, stream, stream_map, record, error)
                sink.reject(reasons, record, stream, source)
                continue
            if transformed is not None:
                sink.take(plain_record(transformed), stream, source)


def drop_record(*_ignored: object) -> None:
    """Ignore a record, because its stream is ignored."""


def _allowed_properties(schema: dict[str, t.Any]) -> frozenset[str] | None:
    """Return the only properties that a SCHEMA allows in records; None if it allows any.

    `_sdc_deleted_at` is always allowed: without it, a delete would be taken for an upsert.
    """
    if schema.get("additionalProperties") is not False:
        return None
    return frozenset({*schema["properties"], DELETED_AT})
