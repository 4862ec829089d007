"""Read Singer messages from bytes; errors name the line and never quote it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import typing as t
from collections import Counter

from singer_sdk.singerlib.encoding import GenericSingerReader

from target_marketo_opps import json_lines
from target_marketo_opps.errors import InputError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK_BYTES = 1 << 18


class MessageReader(GenericSingerReader[bytes]):
    """Reads Singer messages in chunks of bytes, and calls the target between chunks.

    Attributes:
        handlers: function that handles a message, by message type.
        before_read: called before each read with the file descriptor of the input, or None if the
            input has none; returns when the descriptor can be read.
        guard: returns a context manager; all reading and handling happens within the context.
        line: the input line that is being handled.
        line_number: number of that line, from 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[str, Callable[[dict[str, t.Any]], None]] = {}
        self.before_read: Callable[[int | None], None] = lambda _descriptor: None
        self.guard: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
        self.line = b""
        self.line_number = 0

    @property
    def default_input(self) -> t.IO[bytes]:
        """Return standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: t.IO[t.Any] | None,
        callbacks: dict[str, Callable[[dict[str, t.Any]], None]],  # noqa: ARG002 - the SDK's signature
    ) -> Counter[str]:
        """Pass every message to the handler of its type.

        Args:
            file_input: a file of text or bytes; default: standard input.
            callbacks: not used: private methods of the SDK's class.

        Returns:
            The number of messages of each type.

        Raises:
            InputError: a line is not a valid message.
        """
        with self.guard():
            return self._process(file_input or self.default_input)

    def deserialize_json(self, line: bytes) -> dict[str, t.Any]:
        """Return the message on a line; numbers with a fraction become `Decimal`.

        Raises:
            InputError: the line is not valid JSON.
        """
        try:
            return t.cast("dict[str, t.Any]", json_lines.decode(line))
        except ValueError as error:
            raise self.error(str(error)) from None

    def assert_line_requires(self, line_dict: dict[str, t.Any], requires: set[str]) -> None:  # type: ignore[override]
        """Raise an InputError if required members are missing in a message.

        Unlike the error of the SDK's method, it quotes no values.
        """
        missing = requires - line_dict.keys()
        if missing:
            raise self.error(f"it has no {' and no '.join(repr(name) for name in sorted(missing))}")

    def error(self, what: str) -> InputError:
        """Return an InputError whose message names the number of the current input line.

        Args:
            what: what is wrong with the line.
        """
        return InputError(f"Line {self.line_number} of the input cannot be used: {what}.")

    def _process(self, source: t.IO[t.Any]) -> Counter[str]:
        handlers = self.handlers
        counts = dict.fromkeys(handlers, 0)
        decode_fast = json_lines.decode_fast
        for line in self._lines(source):
            self.line = line
            self.line_number += 1
            if not line or line.isspace():
                continue
            try:
                message = decode_fast(line)
            except json_lines.NOT_FAST:
                message = self.deserialize_json(line)
            try:
                kind = message["type"]
                handle = handlers[kind]
            except (KeyError, TypeError):
                raise self._not_a_message(message) from None
            handle(message)
            counts[kind] += 1
        # The SDK's enumeration members and plain strings are equal as keys of a Counter.
        return Counter(counts)

    def _not_a_message(self, message: t.Any) -> InputError:
        if not isinstance(message, dict):
            return self.error("it is JSON, but not an object")
        if "type" not in message:
            return self.error("it has no 'type', so it is not a Singer message")
        return self.error(
            "its 'type' must be one of RECORD, SCHEMA, STATE, BATCH, ACTIVATE_VERSION"
        )

    def _lines(self, source: t.IO[t.Any]) -> Iterator[bytes]:
        rest: list[bytes] = []
        for chunk in self._chunks(source):
            head, newline, tail = chunk.partition(b"\n")
            rest.append(head)
            if not newline:
                continue
            yield b"".join(rest)
            *lines, last = tail.split(b"\n")
            yield from lines
            rest = [last]
        if any(rest):
            yield b"".join(rest)

    def _chunks(self, source: t.IO[t.Any]) -> Iterator[bytes]:
        descriptor = _descriptor(source)
        if descriptor is None:
            yield from self._undescribed_chunks(source)
            return
        self.before_read(descriptor)
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            yield chunk
            self.before_read(descriptor)

    def _undescribed_chunks(self, source: t.IO[t.Any]) -> Iterator[bytes]:
        for line in source:
            self.before_read(None)
            yield line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line


def _descriptor(source: t.IO[t.Any]) -> int | None:
    try:
        return source.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None
