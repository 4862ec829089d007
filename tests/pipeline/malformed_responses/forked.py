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
from multiprocessing import reduction
from types import MappingProxyType

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
        pipes: file descriptors of standard streams that are no files, by the stream's name. They
            may be closed here as soon as the process has been started.
    """

    def __init__(
        self,
        program: str,
        config: dict[str, t.Any],
        directory: Path,
        *arguments: str,
        prepare: Callable[[], None] | None = None,
        pipes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._program = program
        self._paths = {name: directory / f"{program}.{name}" for name, _ in _STREAMS}
        config_path = directory / f"{program}.json"
        config_path.write_text(json.dumps(config))
        for path in self._paths.values():
            path.touch()
        command = [program, "--config", str(config_path), *arguments]
        inherited = {name: _Inherited(number) for name, number in pipes.items()}
        arguments = (command, str(directory), inherited, prepare)
        self._process = _SERVER.Process(target=_main, args=arguments)
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


class _Inherited:
    """A file descriptor that a started process inherits.

    Args:
        number: the descriptor in this process.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[t.Any, ...]:
        return _detached, (reduction.DupFd(self._number),)


def _detached(duplicate: t.Any) -> int:
    return t.cast("int", duplicate.detach())


def _main(
    command: list[str],
    directory: str,
    pipes: Mapping[str, int],
    prepare: Callable[[], None] | None = None,
) -> None:
    program = command[0]
    os.chdir(directory)
    for number, (name, flags) in enumerate(_STREAMS):
        source = pipes[name] if name in pipes else os.open(f"{program}.{name}", flags)
        os.dup2(source, number)
        os.close(source)
    # The server closed the Python object, but the file descriptor is still open.
    sys.stdin = os.fdopen(0)
    sys.argv = command
    if prepare is not None:
        prepare()
    import_module(f"{PACKAGES[program]}.console").main()
