"""Reopens standard streams that the parent process has closed."""

from __future__ import annotations

import os
import sys

_MODES = ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY))


def reopen_closed_streams() -> None:
    """Replace closed standard streams by the null device, before anything else is opened.

    Python has None for them, and the next file or socket to be opened would get their number. An
    input that cannot be read and an output that cannot be written fail with an error like any
    other; only log lines may go nowhere.
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
