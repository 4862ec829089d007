"""A pipe between two processes of which everything is also copied to a file."""

from __future__ import annotations

import os
import threading
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

CHUNK_BYTES = 65_536


def copying_pipe(path: Path) -> tuple[int, int]:
    """Return the read end and the write end of a pipe whose content is copied to a file.

    Each part is in the file before it can be read. The pipe closes at one end soon after the
    process at the other end is gone, as a plain pipe does.
    """
    copied_from, write_end = os.pipe()
    read_end, copied_to = os.pipe()
    arguments = (copied_from, copied_to, path)
    threading.Thread(target=_copy, args=arguments, daemon=True).start()
    return read_end, write_end


def _copy(copied_from: int, copied_to: int, path: Path) -> None:
    try:
        with path.open("wb", buffering=0) as file:
            while chunk := os.read(copied_from, CHUNK_BYTES):
                file.write(chunk)
                _write(copied_to, chunk)
    except BrokenPipeError:
        pass
    finally:
        os.close(copied_from)
        os.close(copied_to)


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
