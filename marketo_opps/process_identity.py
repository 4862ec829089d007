"""Identifies processes of this machine, even if process IDs are reused, and its last start."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STAT_OF_PROCESS = "/proc/{}/stat"

# Indices of fields in /proc/<pid>/stat after the name, which may contain spaces. proc(5) counts the
# fields from 1, and the name is the second.
_FIRST_FIELD_AFTER_NAME = 3
_STATE = 3 - _FIRST_FIELD_AFTER_NAME
_START_TIME = 22 - _FIRST_FIELD_AFTER_NAME
_DEAD_STATES = frozenset("ZXx")


class ProcessIdentity(t.NamedTuple):
    """A process of this machine: its process ID, and when it started.

    Process IDs are reused, but no two processes since the last reboot have the same ID
    and the same `started`, which can only be compared for equality.
    """

    pid: int
    started: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return the identity of the running process."""
        pid = os.getpid()
        return cls(pid, start_of(pid) or "")

    def is_running(self) -> bool:
        """Return whether this process still runs; False if another process has its ID now."""
        return start_of(self.pid) == self.started


def boot_id() -> str:
    """Return the operating system's boot ID, which is another one after each reboot.

    Raises:
        OSError: the operating system has no boot ID.
    """
    if BOOT_ID.exists():
        return BOOT_ID.read_text(encoding="ascii").strip()
    return _output("sysctl", "-n", "kern.bootsessionuuid")  # macOS


def start_of(pid: int) -> str | None:
    """Return when the process with an ID started, as text to compare; None if it has ended."""
    if not BOOT_ID.exists():
        return _start_by_ps(pid)
    # Clock ticks since the machine started, which setting the clock does not change.
    try:
        stat = Path(_STAT_OF_PROCESS.format(pid)).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[_STATE] in _DEAD_STATES else after_name[_START_TIME]


def _start_by_ps(pid: int) -> str | None:
    try:
        return _output("ps", "-o", "lstart=", "-p", str(pid))
    except OSError:
        return None


def _output(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if not (text := ended.stdout.strip()):
        raise OSError(f"{command[0]} printed nothing")
    return text
