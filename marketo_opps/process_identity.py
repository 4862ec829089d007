"""Identify processes of this machine for longer than their numbers last, and its uptime."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STAT_OF_PROCESS = "/proc/{}/stat"

# Fields of /proc/<pid>/stat after the name, which may hold spaces itself: proc(5) counts from 1 and
# has the name second.
_FIRST_FIELD_AFTER_NAME = 3
_STATE = 3 - _FIRST_FIELD_AFTER_NAME
_START_TIME = 22 - _FIRST_FIELD_AFTER_NAME
_DEAD_STATES = frozenset("ZXx")


class ProcessIdentity(t.NamedTuple):
    """A process of this machine: its number, and when it started.

    Numbers are given out again; a number and a start together are not, as long as the machine runs.
    `started` only compares as equal or not.
    """

    pid: int
    started: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return the identity of the running process."""
        pid = os.getpid()
        return cls(pid, start_of(pid) or "")

    def is_running(self) -> bool:
        """Return False once the process has ended, even if its number is in use again."""
        return start_of(self.pid) == self.started


def boot_id() -> str:
    """Return a text that changes with each start of the machine, and never in between.

    Raises:
        OSError: the operating system offers none.
    """
    if BOOT_ID.exists():
        return BOOT_ID.read_text(encoding="ascii").strip()
    return _output("sysctl", "-n", "kern.bootsessionuuid")  # macOS


def start_of(pid: int) -> str | None:
    """Return when a process started, to compare as equal or not; None if it has ended."""
    if not BOOT_ID.exists():
        return _start_by_ps(pid)
    # Ticks since the machine started: unlike a date, no change of the clock moves them.
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
