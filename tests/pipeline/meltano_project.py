"""A Meltano project made from the repository's ``meltano.yml``, and commands to run in it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import yaml

from tests.pipeline.processes import BIN

ROOT = Path(__file__).parents[2]
END_SECONDS = 60
SHOWN_CHARACTERS = 4_000


def own_project() -> dict[str, t.Any]:
    """Return the project file with the plugins on the PATH instead of plugins to install."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    for kind in project["plugins"].values():
        for plugin in kind:
            del plugin["pip_url"]
    return project


class Project:
    """A Meltano project that is connected to two sandboxes by environment variables.

    Attributes:
        loader: name of the loader that `run` uses.
    """

    def __init__(self, directory: Path, source, destination) -> None:
        self.directory = directory
        self.loader = "target-marketo-opps"
        self._printed = directory.with_suffix(".log")
        (directory / "meltano.yml").write_text(yaml.safe_dump(own_project(), sort_keys=False))
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_LOG_LEVEL": "debug",
            "NO_COLOR": "1",
        }
        self.set("TAP", **source.credentials, find_by="filter")
        self.set("TARGET", **destination.credentials)

    def set(self, kind: str, **settings: object) -> None:
        for name, value in settings.items():
            self.environment[f"{kind}_MARKETO_OPPS_{name.upper()}"] = str(value)

    @property
    def printed(self) -> str:
        return self._printed.read_text()

    def start(self, *more: str) -> subprocess.Popen:
        """Start `meltano run`."""
        with self._printed.open("ab") as printed:
            return subprocess.Popen(
                [BIN / "meltano", "run", "tap-marketo-opps", self.loader, *more],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )

    def run(self) -> None:
        assert self.start().wait(END_SECONDS) == 0, self.printed[-SHOWN_CHARACTERS:]

    def command(self, *words: str) -> str:
        """Run a Meltano command that must succeed, and return its standard output."""
        ended = subprocess.run(
            [BIN / "meltano", *words],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=END_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-SHOWN_CHARACTERS:]
        return ended.stdout

    def run_until(self, happened, *more: str) -> int:
        """Start `meltano run`, terminate it once a condition holds, and return its exit status."""
        process = self.start(*more)
        deadline = time.monotonic() + END_SECONDS
        while not happened() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        return process.wait(END_SECONDS)
