"""Plugins as processes that begin with everything imported: a few hundred start in a minute.

A row of the table starts one or two processes, and most of what such a process costs is its
imports. So a server that has made them forks each of them. From there on it is a process as any
other: arguments, standard streams, exit code and end are its own. That the console scripts
themselves start is what the other tests of this folder show.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import typing as t
from importlib import import_module

if t.TYPE_CHECKING:
    from pathlib import Path

MODULES = {
    "tap-marketo-opps": "tap_marketo_opps.tap",
    "target-marketo-opps": "target_marketo_opps.target",
}
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([*MODULES.values(), __name__])
_STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))


class ForkedPlugin:
    """One run of a tap or target; its streams are files.

    Args:
        program: the name of the console script.
        config: its settings.
        directory: for its files; its standard input too, where there is one.
        arguments: after `--config FILE`.
    """

    def __init__(
        self, program: str, config: dict[str, t.Any], directory: Path, *arguments: str
    ) -> None:
        self._program = program
        self._paths = {name: directory / f"{program}.{name}" for name, _ in _STREAMS}
        config_path = directory / f"{program}.json"
        config_path.write_text(json.dumps(config))
        for path in self._paths.values():
            path.touch()
        command = [program, "--config", str(config_path), *arguments]
        self._process = _SERVER.Process(target=_main, args=(command, str(directory)))
        self._process.start()

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._paths["stdout"].read_text()

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._paths["stderr"].read_text(errors="replace")

    def wait(self, timeout_seconds: float) -> int:
        """Its exit code."""
        self._process.join(timeout_seconds)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"{self._program} did not end:\n{self.stderr[-2000:]}")
        return self._process.exitcode


def _main(command: list[str], directory: str) -> None:
    program = command[0]
    os.chdir(directory)
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(f"{program}.{name}", flags), number)
    # The server has closed the object, not the stream.
    sys.stdin = os.fdopen(0)
    sys.argv = command
    import_module(MODULES[program]).main()
