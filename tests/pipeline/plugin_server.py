"""Runs plugins as processes of their own without importing them anew each time.

It imports both once, and forks for each command: one JSON object a line on stdin, of `program`,
`arguments`, `directory`, `environment` and the paths `stdin`, `stdout` and `stderr`. The exit code
comes back as a line. What a process has before its first import is for `test_environment.py`.
"""

from __future__ import annotations

import json
import os
import sys
import typing as t

from tap_marketo_opps.tap import main as run_tap
from target_marketo_opps.target import main as run_target

PROGRAMS = {"tap-marketo-opps": run_tap, "target-marketo-opps": run_target}


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(command)
            PROGRAMS[command["program"]]()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(command: dict[str, t.Any]) -> None:
    os.chdir(command["directory"])
    os.environ.update(command["environment"])
    sys.argv = [command["program"], *command["arguments"]]
    write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", write),
        (2, "stderr", write),
    ):
        opened = os.open(command[name], flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # What was read ahead of the server's own commands is not this process's.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor


main()
