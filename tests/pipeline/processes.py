"""Plugins and sandbox instances as processes, started as users start them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline.copying_pipe import copying_pipe

BIN = Path(sys.executable).parent
READY_SECONDS = 30.0
# A plugin may take 10 s to exit after a signal, and longer on a machine busy with other tests.
END_SECONDS = 60.0
WAIT_SECONDS = 30.0


def await_that(happened: t.Callable[[], t.Any], seconds: float = WAIT_SECONDS) -> None:
    """Wait until a condition returns True, or fail."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"the condition was not met within {seconds:g} s"
        time.sleep(0.01)


def free_port() -> int:
    """Return a TCP port on which nothing listens; another process may take it at any time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def peak_kilobytes(pid: int) -> int:
    """Return the peak memory of a process in kilobytes; 0 if it has exited.

    `ru_maxrss` cannot be used, because it includes the parent's memory at the fork.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


class Plugin:
    """One run of a tap or target, with standard error in a file and its peak memory measured.

    Args:
        program: console script; with its path if it belongs to a third-party plugin.
        config: settings of the plugin.
        directory: directory for the files of settings and standard error.
        arguments: arguments after `--config FILE`.
        environment: variables to add to the environment of this process.
    """

    def __init__(
        self,
        program: str | Path,
        config: t.Mapping[str, t.Any],
        directory: Path,
        *arguments: str | Path,
        stdin: t.Any = subprocess.DEVNULL,
        stdout: t.Any = subprocess.DEVNULL,
        environment: t.Mapping[str, str] | None = None,
    ) -> None:
        self.name = name = Path(program).name
        self.code: int | None = None
        self.peak_kilobytes = 0
        self._stderr_path = directory / f"{name}.stderr"
        config_path = directory / f"{name}.json"
        config_path.write_text(json.dumps(config))
        with self._stderr_path.open("ab") as stderr:
            self._process = subprocess.Popen(
                [BIN / program, "--config", config_path, *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=directory,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> t.IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> t.IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> str:
        """Return what the plugin has written to standard error so far."""
        return self._stderr_path.read_text(errors="replace")

    def running(self) -> bool:
        if self.code is None and self._process.poll() is None:
            self.peak_kilobytes = max(self.peak_kilobytes, peak_kilobytes(self.pid))
            return True
        self.code = self._process.returncode
        return False

    def kill(self, signum: int = signal.SIGKILL) -> None:
        if self.running():
            os.kill(self.pid, signum)

    def wait(self, timeout_seconds: float = END_SECONDS) -> int:
        """Wait for the plugin to exit; return its exit status, or minus the signal number."""
        deadline = time.monotonic() + timeout_seconds
        while self.running():
            if time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise TimeoutError(f"{self.name} did not end:\n{self.stderr[-2000:]}")
            time.sleep(0.01)
        assert self.code is not None
        return self.code


@dataclass
class Pair:
    """The pipe `tap | target > states`, started as a shell starts it.

    Attributes:
        tap, target: settings of tap and target.
        directory: directory for settings, state, catalog and output of all runs.
        environment: variables to add to the environment of both.
        tap_arguments: arguments of the tap other than settings and state.
        tap_program, target_program: paths of third-party plugins to run instead.
        copy_path: file to which the tap's messages are copied on their way, or None.
    """

    tap: dict[str, t.Any]
    target: dict[str, t.Any]
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    tap_arguments: tuple[str | Path, ...] = ()
    tap_program: str | Path = "tap-marketo-opps"
    target_program: str | Path = "target-marketo-opps"
    copy_path: Path | None = None

    @property
    def state_path(self) -> Path:
        return self.directory / "state.json"

    @property
    def state(self) -> dict[str, t.Any] | None:
        """Return the last state that a target has emitted in any run."""
        return json.loads(self.state_path.read_text()) if self.state_path.exists() else None

    def start(self) -> RunningPair:
        """Start tap and target, with the last state if there is one."""
        arguments = list(self.tap_arguments)
        if self.state_path.exists():
            arguments += ["--state", self.state_path]
        states_path = self.directory / "states.jsonl"
        read_end, write_end = copying_pipe(self.copy_path) if self.copy_path else os.pipe()
        try:
            with states_path.open("wb") as states:
                tap = Plugin(
                    self.tap_program,
                    self.tap,
                    self.directory,
                    *arguments,
                    stdout=write_end,
                    environment=self.environment,
                )
                target = Plugin(
                    self.target_program,
                    self.target,
                    self.directory,
                    stdin=read_end,
                    stdout=states,
                    environment=self.environment,
                )
        finally:
            # Only the two hold the pipe now, so each notices when the other is gone.
            os.close(read_end)
            os.close(write_end)
        return RunningPair(tap, target, states_path, self.state_path)

    def run(self) -> tuple[int, int]:
        """Run tap and target until they exit, and return both exit statuses."""
        return self.start().wait()

    def run_well(self) -> RunningPair:
        """Run tap and target until they exit; both must exit with 0."""
        running = self.start()
        codes = running.wait()
        assert codes == (0, 0), f"{codes}\n{running.tap.stderr}\n{running.target.stderr}"
        return running


@dataclass
class RunningPair:
    """A tap and a target that are running."""

    tap: Plugin
    target: Plugin
    states_path: Path
    state_path: Path

    def running(self) -> bool:
        tap, target = self.tap.running(), self.target.running()
        return tap or target

    def wait(self) -> tuple[int, int]:
        """Wait for both to exit, keep the last state, and return both exit statuses."""
        codes = self.tap.wait(), self.target.wait()
        states = self.states()
        if states:
            self.state_path.write_text(json.dumps(states[-1]))
        return codes

    def states(self) -> list[dict[str, t.Any]]:
        """Return all states that the target has emitted, without an incomplete last line."""
        lines = self.states_path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]
