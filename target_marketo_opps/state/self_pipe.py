"""Wait for input, output, a finished call or a signal, whichever comes first."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence


class SelfPipe:
    """Self-pipe: wakes the main thread from any thread or signal handler.

    A read that a signal interrupts is resumed by Python, so the main thread never blocks in one:
    it waits here, and reads or writes what is ready.
    """

    def __init__(self) -> None:
        # Sockets rather than a pipe: one that is closed cannot be mistaken for a later descriptor.
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def set(self) -> None:
        """End the current or the next wait. Take no lock, so that a signal handler may call it."""
        # A full buffer is a set one, and after close nobody waits any longer.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

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
        # Not select, which knows no descriptor above 1,023.
        poll, own = select.poll(), self._reader.fileno()
        for descriptor in (own, *readable):
            poll.register(descriptor, select.POLLIN)
        for descriptor in writable:
            poll.register(descriptor, select.POLLOUT)
        timeout = None if timeout_seconds is None else math.ceil(max(0.0, timeout_seconds) * 1000)
        ready = [descriptor for descriptor, _ in poll.poll(timeout)]
        if own in ready:
            ready.remove(own)
            self._reader.recv(4096)
        return bool(ready)

    def close(self) -> None:
        """Close the descriptors."""
        self._reader.close()
        self._writer.close()
