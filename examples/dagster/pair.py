"""Runs `tap-marketo-opps | target-marketo-opps` as a shell would, and saves each STATE."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TAP, TARGET = "tap-marketo-opps", "target-marketo-opps"
# Tap and target must not outlive a worker that is killed, because the lock of its instance is free
# then. Nothing is lost, because each STATE was saved when it came. `setpriv` is part of util-linux;
# without it the two end at their next STATE, which nobody reads.
_WITH_ITS_WORKER = ("setpriv", "--pdeathsig", "KILL")


@dataclass(frozen=True)
class Artefacts:
    """The files that one attempt to run tap and target writes to its folder."""

    folder: Path

    @property
    def report(self) -> Path:
        """Return the path of the run reports: a line for tap and target each, even if they fail."""
        return self.folder / "runs.jsonl"

    @property
    def receipts(self) -> Path:
        """Return the path of the receipts: a line for each record whose outcome is known."""
        return self.folder / "receipts.jsonl"

    @property
    def log(self) -> Path:
        """Return the path of the log lines of both plugins, as JSON Lines."""
        return self.folder / "log.jsonl"

    def runs(self) -> list[dict[str, Any]]:
        """Return the run reports of tap and target; a plugin that was killed has written none."""
        return [json.loads(line) for line in _lines(self.report)]

    def receipts_by_status(self) -> dict[str, int]:
        """Return the number of records by the status in their receipts, such as `created`."""
        return dict(Counter(json.loads(line)["status"] for line in _lines(self.receipts)))

    def said(self, *levels: str) -> list[str]:
        """Return the log messages with one of the levels, each after the name of its plugin."""
        entries = [json.loads(line) for line in _lines(self.log) if line.startswith("{")]
        return [
            f"{each['plugin']}: {each['message']}" for each in entries if each["level"] in levels
        ]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True)
class Pair:
    """One attempt to move an instance's records with tap and target.

    Attributes:
        tap, target: settings of the two plugins, without secrets.
        environment: environment variables, with the secrets.
        artefacts: the files that the attempt writes.
    """

    tap: Mapping[str, Any]
    target: Mapping[str, Any]
    environment: Mapping[str, str]
    artefacts: Artefacts

    def run(self, last_state: str | None, keep: Callable[[str], None]) -> tuple[int, int]:
        """Run tap and target to their end; return their exit statuses.

        Args:
            last_state: the last saved STATE, from which the tap resumes; None for a first run.
            keep: saves a STATE; called for each one before the next is read.
        """
        self.artefacts.folder.mkdir(parents=True)
        tap, target = self._commands(last_state)
        with (
            self.artefacts.log.open("ab") as log,
            self._start(tap, subprocess.DEVNULL, log) as upper,
            self._start(target, upper.stdout, log) as lower,
            ThreadPoolExecutor(1) as reader,
        ):
            # Only tap and target hold the pipe, so that each notices when the other has ended.
            upper.stdout.close()
            states = reader.submit(_keep_states, lower.stdout, keep)
            try:
                states.result()
            except BaseException:
                # On a signal the tap ends, and the target delivers what it has received, whose
                # STATEs are saved. If a STATE cannot be saved, the target has to end as well.
                upper.terminate()
                if states.done():
                    lower.terminate()
                raise
        return upper.returncode, lower.returncode

    def _commands(self, last_state: str | None) -> tuple[list[str], list[str]]:
        shared = {"report_path": str(self.artefacts.report), "log_format": "json"}
        tap = self._command(TAP, {**self.tap, **shared})
        receipts = {"receipts_path": str(self.artefacts.receipts)}
        target = self._command(TARGET, {**self.target, **shared, **receipts})
        if last_state is not None:
            tap += ["--state", self._written("state", last_state)]
        return tap, target

    def _command(self, program: str, settings: Mapping[str, Any]) -> list[str]:
        path = self._written(program, json.dumps(settings))
        return [*_WITH_ITS_WORKER, program, "--config", path, "--config=ENV"]

    def _written(self, name: str, text: str) -> str:
        path = self.artefacts.folder / f"{name}.json"
        path.write_text(text)
        return str(path)

    def _start(self, command: list[str], stdin: Any, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=log, env=self.environment
        )


def _keep_states(stdout: IO[bytes], keep: Callable[[str], None]) -> None:
    for line in stdout:
        # A line without its end was cut off when the process was killed.
        if line.endswith(b"\n"):
            keep(line.decode())
