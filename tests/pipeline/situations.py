"""One situation of `inputs/`: what a user has, and what must come of it.

A file `inputs/tap/NAME.yaml` or `inputs/target/NAME.yaml` holds, all but `exit` optional:

- `why`: what is special about it, where the name does not say so.
- `config`: settings, on top of the credentials.
- `arguments`, after `--config config.json`; `environment`: variables.
- `files`: names to contents: a text, or an object with a `text` or `json`, and maybe an `encoding`
  or `gzip: true`; or `{pipe: true}`.
- `input`: the target's: a text, or a list of messages; or `{text: ...}` with an `encoding`.
- `exit`: its exit status.
- `says`, `says_not`: words that stand, or do not stand, on stderr; for `{directory}` read its own,
  in `input` too.
- `records`: a stream's external ids (or its `name`), as they came, sorted; for each stream named.
- `schemas`: the streams of which a SCHEMA came.
- `bookmarks`: the streams of which the last STATE has a bookmark.
- `states`: the values of all STATE messages.
- `prints`: words on stdout.
- `instance`: external ids to fields with their values, as Marketo holds them afterwards; null for
  one that must not be there. Of the target alone; use ids that no other situation uses.
- `roles`: external ids to the leads that have a role in them afterwards.
- `rejects`: code and message of each reason in `rejects.jsonl`, or how they begin.
- `keeps`: what stands in that file.

Whatever comes of it: no traceback, no secret, and at most one line at level ERROR, the last.
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
    """All of them."""
    return sorted(HERE.glob("*/*.yaml"))


@dataclass
class Ended:
    """What came of one.

    Attributes:
        code: exit status.
        stdout, stderr: what was printed.
        directory: its working directory.
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
        """Streams of all messages of a kind."""
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
        """The values of STATE messages; a target prints them bare."""
        return [
            each.get("value", each)
            for each in self.messages
            if each.get("type", "STATE") == "STATE"
        ]


class PluginServer:
    """Starts plugins as processes, quickly."""

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
        """Run a plugin in a situation, whose files lie in the directory, to its end."""
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
        """End the server."""
        self._process.communicate()


def read(path: Path) -> dict[str, t.Any]:
    """Read a situation; what is misspelt in it would be no test."""
    situation: dict[str, t.Any] = yaml.safe_load(path.read_text())
    assert set(situation) <= KEYS, f"{path.name}: {set(situation) - KEYS}"
    assert "exit" in situation, path.name
    return situation


def write_files(situation: t.Mapping[str, t.Any], directory: Path) -> None:
    """Lay out the files of a situation."""
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
