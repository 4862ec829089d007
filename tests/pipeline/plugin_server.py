"""A server that runs plugins as separate processes without importing them each time.

The server imports both plugins once and forks for each command. A command is a line of JSON on
standard input with `program`, `arguments`, `directory`, `environment` and the paths `stdin`,
`stdout` and `stderr`; the response is a line with the exit status. `test_consoles.py` tests the
start of a real process, before its imports.
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
    # The server's stdin may have buffered further commands, which this process must not read.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor


main()
