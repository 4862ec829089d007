"""`tap-marketo-opps | target-marketo-opps`, as a shell would start them; each STATE is kept."""

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
# The pair must not outlive a worker that is killed: the lock of its instance is free by then.
# Nothing is lost, for each STATE was kept as it came. Of util-linux; elsewhere leave it out, and
# the pair ends at its next STATE, which nobody reads.
_WITH_ITS_WORKER = ("setpriv", "--pdeathsig", "KILL")


@dataclass(frozen=True)
class Artefacts:
    """What one attempt leaves in its folder."""

    folder: Path

    @property
    def report(self) -> Path:
        """A line of each plugin's run, failed ones too."""
        return self.folder / "runs.jsonl"

    @property
    def receipts(self) -> Path:
        """A line of each record that was settled."""
        return self.folder / "receipts.jsonl"

    @property
    def log(self) -> Path:
        """What both plugins have said, as JSON Lines."""
        return self.folder / "log.jsonl"

    def runs(self) -> list[dict[str, Any]]:
        """Return the report's lines; a plugin that was killed leaves none."""
        return [json.loads(line) for line in _lines(self.report)]

    def receipts_by_status(self) -> dict[str, int]:
        """Return how many receipts there are of each status."""
        return dict(Counter(json.loads(line)["status"] for line in _lines(self.receipts)))

    def said(self, *levels: str) -> list[str]:
        """Return the log's messages of these levels, each after its plugin's name."""
        entries = [json.loads(line) for line in _lines(self.log) if line.startswith("{")]
        return [
            f"{each['plugin']}: {each['message']}" for each in entries if each["level"] in levels
        ]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True)
class Pair:
    """One attempt to move an instance's records.

    Attributes:
        tap, target: their settings, without secrets.
        environment: with the secrets.
        artefacts: where all that the attempt leaves goes.
    """

    tap: Mapping[str, Any]
    target: Mapping[str, Any]
    environment: Mapping[str, str]
    artefacts: Artefacts

    def run(self, last_state: str | None, keep: Callable[[str], None]) -> tuple[int, int]:
        """Run both to their end; return their exit statuses.

        Args:
            last_state: where the last run, or attempt, came to.
            keep: takes each STATE, before the next one is read.
        """
        self.artefacts.folder.mkdir(parents=True)
        tap, target = self._commands(last_state)
        with (
            self.artefacts.log.open("ab") as log,
            self._start(tap, subprocess.DEVNULL, log) as upper,
            self._start(target, upper.stdout, log) as lower,
            ThreadPoolExecutor(1) as reader,
        ):
            # Held by the two alone, so that each notices when the other is gone.
            upper.stdout.close()
            states = reader.submit(_keep_states, lower.stdout, keep)
            try:
                states.result()
            except BaseException:
                # Stopped, the tap ends; the target still delivers what it has been given, and the
                # STATEs of that are kept. Where one cannot be kept, the target is to end as well.
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
        # One that a kill has cut in two has no end.
        if line.endswith(b"\n"):
            keep(line.decode())
