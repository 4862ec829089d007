"""Write STATE messages to standard output."""

from __future__ import annotations

import io
import os
import sys
import typing as t

from marketo_opps.plugin.errors import OutputError
from target_marketo_opps.json_lines import encode

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_marketo_opps.state.self_pipe import SelfPipe

_SAFE_WRITE_BYTES = 4096
"""PIPE_BUF on Linux: a pipe that is ready takes this many bytes without blocking."""


class StateWriter:
    """Writes each STATE to standard output immediately.

    The reader of the pipe may be slow. The writer waits for it with a self-pipe, so that the
    process still reacts to signals.

    Args:
        self_pipe: waits until standard output can be written.
        give_up: called when a wait ends and the pipe is not ready; if it returns True, the write is
            abandoned.
    """

    def __init__(self, self_pipe: SelfPipe, give_up: Callable[[], bool]) -> None:
        self._self_pipe = self_pipe
        self._give_up = give_up
        self._is_broken = False

    def write(self, value: t.Any) -> None:
        """Write the value of a STATE as one line.

        Raises:
            OutputError: standard output is closed or full.
        """
        if self._is_broken:
            return
        line = encode(value) + b"\n"
        try:
            self._write(line)
        except OSError as error:
            # Part of the line may have been written, so a further line would not be valid JSON.
            self._is_broken = True
            raise OutputError(
                f"STATE cannot be written to standard output: {error.strerror}. Fix the cause "
                "(free disk space, or start the reader again), and run again with the last STATE: "
                "what was delivered since will be delivered again.",
            ) from None

    def _write(self, line: bytes) -> None:
        descriptor = _stdout_descriptor()
        if descriptor is None:
            sys.stdout.write(line.decode())
            sys.stdout.flush()
            return
        unwritten = memoryview(line)
        while unwritten:
            if self._self_pipe.wait(writable=[descriptor], timeout_seconds=1.0):
                unwritten = unwritten[os.write(descriptor, unwritten[:_SAFE_WRITE_BYTES]) :]
            elif self._give_up():
                raise OSError(0, "its reader has stopped reading")


def _stdout_descriptor() -> int | None:
    try:
        sys.stdout.flush()
        return sys.stdout.fileno()
    except io.UnsupportedOperation:
        return None
