"""Handle each type of Singer message: check the message, and pass on its record or STATE."""

from __future__ import annotations

import logging
import typing as t

from target_marketo_opps.errors import InputError, NoSchemaError
from target_marketo_opps.input.batch_files import batch_records
from target_marketo_opps.json_lines import source_line
from target_marketo_opps.mapping.routing import is_ignored, log_ignored
from target_marketo_opps.stream_maps import written_name
from target_marketo_opps.stream_routes import drop_record

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.mapper import PluginMapper

    from target_marketo_opps.input.message_reader import MessageReader
    from target_marketo_opps.input_report import InputReport
    from target_marketo_opps.run import TargetRun
    from target_marketo_opps.stream_routes import StreamRoutes

_LOGGER = logging.getLogger("target-marketo-opps")

_Message = dict[str, t.Any]


class MessageHandlers:
    """Handles the messages of a run, with one method for each type.

    The SDK's own handlers are not used: they copy, validate and count each record, and drain sinks.

    Args:
        reader: reads the messages; its errors name the line.
        mapper: has the definitions of the setting `stream_maps`.
        run: returns the run; not called before the first SCHEMA, because it connects to Marketo.
        report: collects what is logged about the streams at the end of the run.
        routes: passes records to the sinks of their stream.
    """

    def __init__(
        self,
        *,
        reader: MessageReader,
        mapper: PluginMapper,
        run: Callable[[], TargetRun],
        report: InputReport,
        routes: StreamRoutes,
    ) -> None:
        self._reader = reader
        self._mapper = mapper
        self._run = run
        self._report = report
        self._routes = routes
        self._take_functions = routes.current
        self._versions_explained = False

    def by_type(self) -> dict[str, Callable[[_Message], None]]:
        """Return the method that handles a message, for each type of message."""
        return {
            "RECORD": self.handle_record,
            "SCHEMA": self.handle_schema,
            "STATE": self.handle_state,
            "BATCH": self.handle_batch,
            "ACTIVATE_VERSION": self.handle_activate_version,
        }

    def handle_record(self, message: _Message) -> None:
        """Pass the record in a RECORD message to the sinks of its stream.

        Raises:
            InputError: the message has no record, or no SCHEMA of its stream came before it.
        """
        self._take(message, self._reader.line)

    def handle_schema(self, message: _Message) -> None:
        """Prepare the sinks of a stream for the SCHEMA in a message.

        Raises:
            InputError: the message is not a valid SCHEMA message.
            UnwritableStreamError: the stream cannot be written.
        """
        self._check_stream(message)
        stream = message["stream"]
        if self._is_ignored(stream):
            self._routes.drop(stream)
            return
        self._check_schema(message)
        self._routes.use_schema(message)

    def handle_state(self, message: _Message) -> None:
        """Hold the value of a STATE message back until every record before it has an outcome.

        Raises:
            InputError: the message has no value.
        """
        self._reader.assert_line_requires(message, {"value"})
        # A runner that stores states would store an empty one too, and lose the tap's position.
        if message["value"] not in (None, {}):
            self._run().dispatcher.checkpoint(message["value"])

    def handle_batch(self, message: _Message) -> None:
        """Pass the records in the files of a BATCH message to the sinks of their stream.

        Raises:
            InputError: the message is not a valid BATCH message, or a file cannot be read.
        """
        self._reader.assert_line_requires(message, {"stream", "encoding", "manifest"})
        stream = message["stream"]
        if self._take_functions.get(stream) is drop_record:
            return
        for record, line in batch_records(message["encoding"], message["manifest"]):
            self._take({"stream": stream, "record": record}, source_line(line))

    def handle_activate_version(self, _message: _Message) -> None:
        """Log, for the first ACTIVATE_VERSION message only, that it has no effect."""
        if not self._versions_explained:
            self._versions_explained = True
            _LOGGER.info(
                "ACTIVATE_VERSION is accepted and has no effect: Marketo does not version its "
                "opportunities, and records that the tap no longer sends are not deleted.",
            )

    def _take(self, message: _Message, source: bytes) -> None:
        try:
            take = self._take_functions[message["stream"]]
            record = message["record"]
        except (KeyError, TypeError):
            raise self._unusable_record(message) from None
        if record.__class__ is not dict and take is not drop_record:
            raise self._reader.error("its 'record' is not an object")
        take(record, source)

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

    def _is_ignored(self, stream: str) -> bool:
        """Return whether `stream_objects` ignores a stream or `stream_maps` removes it.

        If the stream is ignored by default, log that.
        """
        name = written_name(self._mapper, stream)
        stream_objects = self._run().settings.stream_objects
        if name is not None and not is_ignored(name, stream_objects):
            return False
        if name is not None and name not in stream_objects and stream not in self._take_functions:
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
