"""Write STATE to standard output."""

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
"""POSIX's PIPE_BUF on Linux: a pipe that is ready takes so much without blocking."""


class StateWriter:
    """Writes STATE lines to standard output, each at once.

    The reader of the pipe may be slow: waiting for it goes through `self_pipe`, so that a signal is
    not left unheard meanwhile.

    Args:
        self_pipe: what to wait by.
        give_up: asked whenever a wait ends without the pipe being ready; true abandons the write.
    """

    def __init__(self, self_pipe: SelfPipe, give_up: Callable[[], bool]) -> None:
        self._self_pipe = self_pipe
        self._give_up = give_up
        self._is_broken = False

    def write(self, value: t.Any) -> None:
        """Write one STATE value as a line.

        Raises:
            OutputError: standard output is gone or full.
        """
        if self._is_broken:
            return
        line = encode(value) + b"\n"
        try:
            self._write(line)
        except OSError as error:
            # Half a line may be out: whatever followed would be no line of its own.
            self._is_broken = True
            raise OutputError(
                f"STATE cannot be written to standard output: {error.strerror}. What was delivered "
                "since the last STATE will be delivered again by the next run.",
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
