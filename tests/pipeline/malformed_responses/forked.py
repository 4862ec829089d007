"""Plugins as forked processes that start with everything imported: hundreds start in a minute.

Each row of the table starts one or two processes, and most of the time of such a process goes into
imports. Therefore a server that has imported the plugins forks each process, which has its own
arguments, standard streams and exit status. Other tests in this folder start the console scripts.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import typing as t
from importlib import import_module

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGES = {
    "tap-marketo-opps": "tap_marketo_opps",
    "target-marketo-opps": "target_marketo_opps",
}
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["tap_marketo_opps.tap", "target_marketo_opps.target", "tests.fuzz.quick", __name__]
)
_STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))


class ForkedPlugin:
    """One run of a tap or target, with its standard streams in files.

    Args:
        program: name of the console script.
        config: settings of the plugin.
        directory: directory for its files, among them standard input, if any.
        arguments: arguments after `--config FILE`.
        prepare: called in the process before the plugin starts; must be picklable.
    """

    def __init__(
        self,
        program: str,
        config: dict[str, t.Any],
        directory: Path,
        *arguments: str,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._program = program
        self._paths = {name: directory / f"{program}.{name}" for name, _ in _STREAMS}
        config_path = directory / f"{program}.json"
        config_path.write_text(json.dumps(config))
        for path in self._paths.values():
            path.touch()
        command = [program, "--config", str(config_path), *arguments]
        self._process = _SERVER.Process(target=_main, args=(command, str(directory), prepare))
        self._process.start()

    @property
    def stdout(self) -> str:
        """Return what the plugin has written to standard output so far."""
        return self._paths["stdout"].read_text()

    @property
    def stderr(self) -> str:
        """Return what the plugin has written to standard error so far."""
        return self._paths["stderr"].read_text(errors="replace")

    def kill(self, signum: int) -> None:
        """Send a signal to the plugin, if it still runs; may be called from any thread."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(t.cast("int", self._process.pid), signum)

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the plugin to exit, and return its exit status."""
        self._process.join(timeout_seconds)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"{self._program} did not end:\n{self.stderr[-2000:]}")
        return self._process.exitcode


def _main(command: list[str], directory: str, prepare: Callable[[], None] | None = None) -> None:
    program = command[0]
    os.chdir(directory)
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(f"{program}.{name}", flags), number)
    # The server closed the Python object, but the file descriptor is still open.
    sys.stdin = os.fdopen(0)
    sys.argv = command
    if prepare is not None:
        prepare()
    import_module(f"{PACKAGES[program]}.console").main()
