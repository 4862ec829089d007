"""Measures commands joined by pipes: wall time, CPU time and peak memory of each process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import typing as t
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Command = Sequence[str]

_LAUNCH = str(Path(__file__).with_name("launch.py"))
# With these variables every run would compile the SDK again, which a user's runs do not.
_NOT_INHERITED = frozenset({"PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START"})
_QUOTED_STDERR_BYTES = 2_000


class FailedError(Exception):
    """A measured command has failed, so its figures would be meaningless."""


@dataclass(frozen=True)
class Usage:
    """Resource usage of one process; CPU time includes user and system time."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(
    *commands: Command,
    stdin: Path | None = None,
    stdout: Path | None = None,
    accepted: Iterable[int] = (0,),
) -> list[Usage]:
    """Run commands joined by pipes and wait for all of them.

    Args:
        *commands: the first reads `stdin`, the last writes `stdout`.
        stdin: a file; empty by default.
        stdout: a file; discarded by default.
        accepted: exit statuses that are not failures.

    Returns:
        The usage of each command, in order.

    Raises:
        FailedError: a command ended with another exit status.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source: t.IO[bytes] = stack.enter_context((stdin or Path(os.devnull)).open("rb"))
        sink = stack.enter_context((stdout or Path(os.devnull)).open("wb"))
        jobs = []
        for number, command in enumerate(commands):
            last = number == len(commands) - 1
            job = _Job(command, directory / str(number))
            jobs.append(job)
            source = job.start(source, sink if last else None)
        # Waits for all of them before an error is raised, so that no process is left behind.
        codes = [job.wait() for job in jobs]
        return [job.usage(code, accepted) for job, code in zip(jobs, codes, strict=True)]


class _Job:
    def __init__(self, command: Command, base: Path) -> None:
        self._command = command
        self._usage_path = base.with_suffix(".json")
        self._errors = base.with_suffix(".stderr")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, source: t.IO[bytes], sink: t.IO[bytes] | None) -> t.IO[bytes]:
        """Start the command; return the pipe with its output, or `sink` if it is written there."""
        environment = {
            name: value for name, value in os.environ.items() if name not in _NOT_INHERITED
        }
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCH, str(self._usage_path), *self._command],
                stdin=source,
                stdout=sink or subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        # An open end in this process would hide that the reader has gone.
        source.close()
        return sink or t.cast("t.IO[bytes]", self._process.stdout)

    def wait(self) -> int:
        """Wait for the end of the process and return its exit status."""
        assert self._process is not None
        return self._process.wait()

    def usage(self, code: int, accepted: Iterable[int]) -> Usage:
        """Return the usage of the process; raise an error if its exit status is not accepted."""
        if code not in accepted:
            stderr = self._errors.read_bytes()[-_QUOTED_STDERR_BYTES:].decode(errors="replace")
            name = " ".join(Path(part).name for part in self._command[:3])
            raise FailedError(f"{name} ended with {code}:\n{stderr}")
        return Usage(**json.loads(self._usage_path.read_bytes()))


def cpu_of(usages: Iterable[Usage]) -> float:
    """Return the sum of the CPU seconds of several processes."""
    return sum(usage.cpu_seconds for usage in usages)


def spread(values: Iterable[float], digits: int = 3) -> dict[str, t.Any]:
    """Return median, minimum and maximum of the values of all runs, and these values."""
    runs = [round(value, digits) for value in values]
    return {
        "median": round(statistics.median(runs), digits),
        "min": min(runs),
        "max": max(runs),
        "runs": runs,
    }
