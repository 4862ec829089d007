"""Situations in `inputs/`: a plugin's settings and input files, and the expected outcome.

A file `inputs/tap/NAME.yaml` or `inputs/target/NAME.yaml` has these members, of which only `exit`
is required:

- `why`: reason for the situation, if its name does not say it.
- `config`: settings in addition to the credentials.
- `arguments`: arguments after `--config config.json`; `environment`: variables.
- `files`: contents of files by name: a string, or an object with a `text` or `json`, and optionally
  an `encoding` or `gzip: true`; or `{pipe: true}`.
- `input`: input of the target: a string, a list of messages, or `{text: ...}` with an `encoding`.
- `exit`: exit status.
- `says`, `says_not`: texts that standard error must have or must not have; `{directory}` stands
  for the working directory, in `input` too.
- `records`: sorted external ids (or values of `name`) of the records of each named stream.
- `schemas`: streams for which a SCHEMA message is written.
- `bookmarks`: streams with a bookmark in the last STATE message.
- `states`: values of all STATE messages.
- `prints`: texts that standard output must have.
- `instance`: field values by external id that the instance has afterwards; null for a record that
  must not exist. For the target only; use ids that no other situation uses.
- `roles`: leads that have a role afterwards, by external id.
- `rejects`: code and message of each reason in `rejects.jsonl`, or the beginning of the message.
- `keeps`: text of that file.

In every situation standard error has no traceback, no secret, and at most one line at level ERROR,
which is the last line.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent / "inputs"
PROGRAMS = {"tap": "tap-marketo-opps", "target": "target-marketo-opps"}
KEYS = {
    *("why", "config", "arguments", "environment", "files", "input"),
    *("exit", "says", "says_not", "records", "schemas", "bookmarks", "states", "prints"),
    *("instance", "roles", "rejects", "keeps"),
}


def situations() -> list[Path]:
    """Return all situations as pytest parameters."""
    return sorted(HERE.glob("*/*.yaml"))


@dataclass
class Ended:
    """The outcome of running a plugin in a situation.

    Attributes:
        code: exit status.
        stdout, stderr: output of the plugin.
        directory: working directory of the plugin.
    """

    code: int
    stdout: str
    stderr: str
    directory: Path

    @property
    def messages(self) -> list[dict[str, t.Any]]:
        lines = [line for line in self.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def streams(self, kind: str) -> list[str]:
        """Return the streams of all messages of a type."""
        return [each["stream"] for each in self.messages if each["type"] == kind]

    def ids(self, stream: str) -> list[str]:
        records = [
            each["record"]
            for each in self.messages
            if each["type"] == "RECORD" and each["stream"] == stream
        ]
        return sorted(str(each.get("externalOpportunityId", each.get("name"))) for each in records)

    @property
    def states(self) -> list[dict[str, t.Any]]:
        """Return the values of all STATE messages; a target prints only the values."""
        return [
            each.get("value", each)
            for each in self.messages
            if each.get("type", "STATE") == "STATE"
        ]


class PluginServer:
    """A client of ``plugin_server``, which starts plugins as processes in little time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.plugin_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parents[2],
            env={**os.environ, "LOGLEVEL": "INFO"},
        )

    def run(
        self, kind: str, situation: t.Mapping[str, t.Any], directory: Path, config: t.Any
    ) -> Ended:
        """Run a plugin in a situation until it exits; the directory has the situation's files."""
        (directory / "stdin").write_bytes(_input(situation.get("input", ""), directory))
        (directory / "config.json").write_text(json.dumps(config))
        command = {
            "program": PROGRAMS[kind],
            "arguments": ["--config=config.json", *situation.get("arguments", [])],
            "directory": str(directory),
            "environment": situation.get("environment", {}),
            **{name: str(directory / name) for name in ("stdin", "stdout", "stderr")},
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        stdout, stderr = ((directory / name).read_text() for name in ("stdout", "stderr"))
        return Ended(code, stdout, stderr, directory)

    def close(self) -> None:
        """Stop the server."""
        self._process.communicate()


def read(path: Path) -> dict[str, t.Any]:
    """Return a situation from its file; fail for an unknown member, which would test nothing."""
    situation: dict[str, t.Any] = yaml.safe_load(path.read_text())
    assert set(situation) <= KEYS, f"{path.name}: {set(situation) - KEYS}"
    assert "exit" in situation, path.name
    return situation


def write_files(situation: t.Mapping[str, t.Any], directory: Path) -> None:
    """Write the files of a situation to a directory."""
    for name, content in situation.get("files", {}).items():
        whole = content if isinstance(content, dict) else {"text": content}
        path = directory / name
        if whole.get("pipe"):
            os.mkfifo(path)
            continue
        text = json.dumps(whole["json"]) if "json" in whole else whole["text"]
        encoded = text.encode(whole.get("encoding", "utf-8"))
        path.write_bytes(gzip.compress(encoded) if whole.get("gzip") else encoded)


def _input(given: t.Any, directory: Path) -> bytes:
    whole = given if isinstance(given, dict) else {"text": given}
    text = whole["text"]
    lines = text if isinstance(text, str) else "".join(map(_line, text))
    return lines.replace("{directory}", str(directory)).encode(whole.get("encoding", "utf-8"))


def _line(message: t.Any) -> str:
    return json.dumps(message) + "\n"
