"""Waiting for the input, the output, a finished call or a signal, whichever comes first."""

from __future__ import annotations

import contextlib
import os
import select
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence


class Wakeup:
    """A pipe to oneself: `set` from any thread or signal handler ends the main thread's `wait`.

    A read that a signal interrupts is resumed by Python, so the main thread never blocks in one:
    it waits here, and reads or writes what is ready.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """End the current or the next wait. Takes no lock, so a signal handler may call it."""
        # A full pipe is a set one, and after close nobody waits any longer.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def wait(
        self,
        *,
        readable: Sequence[int] = (),
        writable: Sequence[int] = (),
        timeout_seconds: float | None = None,
    ) -> bool:
        """Wait for one of the descriptors, for `set`, or for the time to pass.

        Returns:
            Whether one of the descriptors is ready.
        """
        timeout_seconds = None if timeout_seconds is None else max(0.0, timeout_seconds)
        read, written, _ = select.select([*readable, self._reader], writable, [], timeout_seconds)
        if self._reader in read:
            read.remove(self._reader)
            with contextlib.suppress(BlockingIOError):
                os.read(self._reader, 4096)
        return bool(read or written)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
