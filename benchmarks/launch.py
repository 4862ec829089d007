"""Runs one command and reports its usage: `python -I -S launch.py FILE COMMAND ARGUMENT...`.

The kernel's figure for a process's peak memory starts at the memory of its parent process at the
fork. So the measured commands are not started by the harness, which holds journals and results,
but by this script, which needs hardly any memory.
"""

from __future__ import annotations

import json
import os
import sys
import time

# Linux counts in KiB, macOS in bytes.
_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def main(usage_path: str, *command: str) -> int:
    began = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    usage = {
        "wall_seconds": time.monotonic() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * _PEAK_UNIT_BYTES,
    }
    with open(usage_path, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is memory too
        json.dump(usage, file)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
