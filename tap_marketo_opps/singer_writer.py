"""Encoding of Singer messages, and writing of a page of them to stdout at once."""

from __future__ import annotations

import sys
import typing as t
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation

import msgspec
from singer_sdk.singerlib import Message, SchemaMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

from marketo_opps.plugin.errors import OutputError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TypedRecord = t.Any
"""A record that msgspec can encode as JSON: a struct of `PageConverter`, or a dict."""


class _RecordMessage(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    stream: str
    record: t.Any
    time_extracted: datetime


class _StateMessage(msgspec.Struct, tag_field="type", tag="STATE"):
    value: Mapping[str, t.Any]


# Decimal("1234567890123456.78") is written as that JSON number, with every digit.
_ENCODER = msgspec.json.Encoder(enc_hook=str, decimal_format="number")


def encode_records(stream: str, records: Iterable[TypedRecord], time_extracted: datetime) -> bytes:
    """Return RECORD messages for records of a stream, each as a line of JSON."""
    return _ENCODER.encode_lines(
        [_RecordMessage(stream, record, time_extracted) for record in records]
    )


def encode_state(state: Mapping[str, t.Any]) -> bytes:
    """Return a STATE message as a line of JSON, given the state."""
    return _ENCODER.encode(_StateMessage(state)) + b"\n"


def encode_message(message: Mapping[str, t.Any]) -> bytes:
    """Return a Singer message, given as a dict, as a line of JSON."""
    return _ENCODER.encode(message) + b"\n"


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages to stdout without buffering them."""

    def __init__(self) -> None:
        super().__init__()
        self._schemas: set[bytes] = set()

    def serialize_message(self, message: Message) -> bytes:
        """Return a message of the SDK as a line of JSON."""
        return encode_message(message.to_dict())

    def write_message(self, message: Message) -> None:
        """Write one message, except for a SCHEMA that has already been written."""
        line = self.format_message(message)
        if isinstance(message, SchemaMessage):
            if line in self._schemas:
                return
            self._schemas.add(line)
        self.write(line)

    def write(self, lines: bytes) -> None:
        """Write complete lines to stdout.

        Raises:
            BrokenPipeError: The reader has closed the pipe.
            OutputError: The lines cannot be written for another reason.
        """
        try:
            _write_all(memoryview(lines))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                "Messages cannot be written to standard output: "
                f"{error.strerror or type(error).__name__}. Fix the cause, and run again with the "
                "last STATE."
            ) from error


def _write_all(unwritten: memoryview) -> None:
    output = sys.stdout.buffer
    while unwritten:
        # With PYTHONUNBUFFERED, as in most containers, this is the bare pipe, where a signal can
        # cut a write short.
        unwritten = unwritten[output.write(unwritten) or 0 :]
    output.flush()
