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
    """Wakes the main thread, from any thread or signal handler, while it waits.

    Python resumes a read that a signal interrupts. Therefore the main thread never blocks in a
    read: it waits here, and reads or writes only descriptors that are ready.
    """

    def __init__(self) -> None:
        # Sockets instead of a pipe: a closed socket object never refers to a reused descriptor.
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def set(self) -> None:
        """End the current or next `wait`; takes no lock, so that a signal handler may call it."""
        # If the buffer is full, the wait ends anyway; after `close`, nothing waits.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def wait(
        self,
        *,
        readable: Sequence[int] = (),
        writable: Sequence[int] = (),
        timeout_seconds: float | None = None,
    ) -> bool:
        """Wait until a descriptor is ready, `set` is called, or the timeout expires.

        Args:
            readable: descriptors to wait for until they can be read.
            writable: descriptors to wait for until they can be written.
            timeout_seconds: maximum time to wait; None for no limit.

        Returns:
            Whether one of the descriptors is ready.
        """
        # `select.select` does not support descriptors above 1,023.
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
        """Close both ends of the self-pipe."""
        self._reader.close()
        self._writer.close()
