"""Pages of the manual, and a reader who runs their shell blocks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
END_SECONDS = 120
# Every block has a shell of its own, which goes on where the last one left off: its working
# directory and the variables that it exported.
SHELL = """set -euo pipefail
trap 'export -p > "$LEFT_OFF"' EXIT
[ ! -e "$LEFT_OFF" ] || { . "$LEFT_OFF"; cd "$PWD"; }
"""


def page(name: str) -> str:
    """Return the text of a page of `docs/`, or of a file at the root such as `README.md`."""
    path = ROOT / "docs" / name
    return (path if path.exists() else ROOT / name).read_text()


def blocks(language: str, text: str) -> list[str]:
    """Return the fenced blocks of a language, from top to bottom."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(heading: str, text: str) -> str:
    """Return the text below a heading, up to the next heading of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    end = rf"^#{{1,{len(found[1])}}} "
    # A comment within a block is no heading.
    hidden = re.sub(r"^```.*?^```", _blank, text, flags=re.MULTILINE | re.DOTALL)
    after = re.search(end, hidden[found.end() :], re.MULTILINE)
    return text[found.end() : found.end() + after.start() if after else None]


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


@dataclass
class Outcome:
    """Exit status and output of a block."""

    code: int
    stdout: str
    stderr: str


class Reader:
    """Runs the shell blocks of a page from top to bottom, in one directory.

    A block is run as it stands, but for what `instead` names: a reader puts their own endpoint,
    credentials and file names there too.

    Args:
        text: of the page, or of one of its sections.
        directory: where the reader works.
        instead: a text of the page to what the reader puts in its place.
        environment: on top of this process's own.
    """

    def __init__(
        self,
        text: str,
        directory: Path,
        instead: t.Mapping[str, str],
        environment: t.Mapping[str, str] | None = None,
    ) -> None:
        self.left = blocks("sh", text)
        self.directory = directory
        self._instead = instead
        self._programs = directory.with_name(f"{directory.name}-programs")
        self._programs.mkdir()
        self._environment = {
            **os.environ,
            "PATH": f"{self._programs}:{BIN}:{os.environ['PATH']}",
            "LEFT_OFF": str(self._programs / ".left-off"),
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "NO_COLOR": "1",
            **(environment or {}),
        }

    def has(self, name: str, script: str) -> None:
        """Put a stand-in for a third-party program on the reader's PATH, as a shell script."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def writes(self, name: str, text: str) -> None:
        """Write a file that a page shows into the directory."""
        (self.directory / name).write_text(self.own(text))

    def own(self, text: str) -> str:
        """Return a text of the page with the reader's own values."""
        for shown, value in self._instead.items():
            text = text.replace(shown, value)
        return text

    def starts(self, *told: str) -> Doing:
        """Start the next block, which has to contain these texts."""
        assert self.left, "the page has no more shell blocks"
        block = self.left.pop(0)
        assert not [text for text in told if text not in block], f"another block is next:\n{block}"
        return Doing(SHELL + self.own(block), self.directory, self._environment)

    def does(self, *told: str, code: int = 0) -> Outcome:
        """Run the next block, which contains these texts, and expect this exit status."""
        return self.starts(*told).ends(code)

    def tries(self, command: str, code: int = 0) -> Outcome:
        """Run a command that is not the next one of the page."""
        return Doing(SHELL + command, self.directory, self._environment).ends(code)

    def does_the_rest(self) -> None:
        """Run all remaining blocks."""
        while self.left:
            self.does()


class Doing:
    """A running block, with its own process group."""

    def __init__(self, script: str, directory: Path, environment: t.Mapping[str, str]) -> None:
        self._script = script
        self._process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """Send SIGINT to the whole process group, as Ctrl-C does."""
        os.killpg(self._process.pid, signal.SIGINT)

    def ends(self, code: int = 0) -> Outcome:
        """Wait for the end of the block, and expect this exit status."""
        try:
            stdout, stderr = self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            stdout, stderr = self._process.communicate()
        outcome = Outcome(self._process.returncode, stdout, stderr)
        assert outcome.code == code, f"{self._script}\n{outcome.code}\n{stdout}\n{stderr}"
        return outcome
