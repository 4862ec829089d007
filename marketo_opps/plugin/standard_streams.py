"""Reopens standard streams that the parent process has closed."""

from __future__ import annotations

import os
import sys

_MODES = ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY))


def reopen_closed_streams() -> None:
    """Replace closed standard streams with the null device, before any other file is opened.

    Python has None for a closed stream, and the next file or socket would get its number. Reading
    a replaced input, or writing to a replaced output, fails with an ordinary error; only log lines
    are lost without an error.
    """
    for descriptor, name, mode in _MODES:
        if getattr(sys, name) is None:
            _fill(descriptor, name, mode)


def _fill(descriptor: int, name: str, mode: int) -> None:
    opened = os.open(os.devnull, mode)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115 - a descriptor, and it stays open
