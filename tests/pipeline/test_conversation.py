"""Snapshots of all messages and API calls of a small pair, for reviewers to read.

`tests/pipeline/conversation/` has the output of the tap, the output of the target and the API
calls of both. After an intended change `UPDATE_CONVERSATION=1 make test` rewrites the files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipeline.processes import BIN

DIRECTORY = Path(__file__).parent / "conversation"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NEXT_NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
OPPORTUNITIES = 7
LEADS = 3
FIELDS = ["amount", "territory"]
# The other parameters of a call follow from its keys and its outcome.
TOLD_PARAMETERS = {"fields"}


@pytest.fixture
def instances(marketo_sandbox_factory):
    """Return two instances with frozen clocks, so that every date is known."""
    both = {}
    for seed, name in enumerate(("source", "destination"), 1):
        both[name] = marketo_sandbox_factory(seed=seed)
        both[name].set_clock(NOON, frozen=True)
    both["source"].seed(OPPORTUNITIES, leads=LEADS, history_days=20)
    return both


class Conversation:
    """Run the tap, then the target on the tap's output, one call at a time for a fixed order."""

    def __init__(self, instances, directory: Path) -> None:
        self._instances = instances
        self._directory = directory
        self._state: str | None = None

    def hold(self, **settings) -> dict[str, str]:
        """Run tap and target, and return their messages and calls by snapshot file name."""
        heard = {name: len(each.journal()) for name, each in self._instances.items()}
        said = self._run("tap-marketo-opps", "source", b"", field_names=FIELDS, **settings)
        states = self._run("target-marketo-opps", "destination", said)
        self._state = states.splitlines()[-1].decode()
        return {
            "tap.jsonl": said.decode(),
            "target.jsonl": states.decode(),
            "requests.txt": "\n".join(self._requests(heard)) + "\n",
        }

    def _run(self, program: str, instance: str, given: bytes, **settings) -> bytes:
        config = self._directory / f"{program}.json"
        credentials = self._instances[instance].credentials
        config.write_text(json.dumps({**credentials, "max_concurrent_calls": 1, **settings}))
        command = [BIN / program, "--config", config]
        if self._state and program.startswith("tap"):
            (self._directory / "state.json").write_text(self._state)
            command += ["--state", self._directory / "state.json"]
        ended = subprocess.run(command, input=given, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    def _requests(self, heard):
        for name, instance in self._instances.items():
            yield f"# {name}"
            yield from map(_told, instance.journal(heard[name]))


def _told(call) -> str:
    parameters = [
        f"{name}={_short(name, value)}" for name, value in sorted(call["parameters"].items())
    ]
    keys = [f"    {key}" for key in call["keys"]]
    statuses = "".join(f", {count} {status}" for status, count in call["statuses"].items())
    outcome = f"  -> {call['outcome']}, {call['answered']} in the answer{statuses}"
    head = " ".join([call["method"], call["path"], *parameters])
    return "\n".join([head, *keys, outcome])


def _short(name, value) -> str:
    if name in TOLD_PARAMETERS:
        return f"({len(value.split(','))} names)"
    # Each instance has new random credentials.
    return "..." if name == "client_id" else str(value)


def _still(text: str) -> str:
    """Return a text with the parts replaced that differ from run to run despite frozen clocks."""
    # The client adds the real time since Marketo's last response.
    text = re.sub(r"(2026-05-0[45]T12:00:)\d\d", r"\g<1>00", text)
    # Digests of settings include the port; page tokens are signed with a random key.
    text = re.sub(r'(fingerprint\\*":\\*")\w+', r"\1...", text)
    text = re.sub(r'(\[\d+,\\*"|token\\*":\\*")[\w=]+', r"\1...", text)
    text = re.sub(r'(instance":")127[^"]+', r"\1...", text)
    return re.sub(r'(time_extracted":")[^"]+', r"\1...", text)


@pytest.mark.parametrize("scene", ["backfill", "next_day"])
def test_messages_and_calls_match_the_snapshots(scene, instances, tmp_path):
    conversation = Conversation(instances, tmp_path)
    said = conversation.hold(find_by="lead_ids", lead_id_from=1, lead_id_to=LEADS)
    if scene == "next_day":
        for instance in instances.values():
            instance.set_clock(NEXT_NOON, frozen=True)
        with_role = sorted(
            each["externalOpportunityId"] for each in instances["source"].instance.roles()
        )
        instances["source"].advance(-3600)
        instances["source"].instance.change(with_role[:1], {"stage": "Won back", "nextStep": None})
        instances["source"].advance(3600)
        said = conversation.hold(find_by="activities")

    for name, text in said.items():
        path = DIRECTORY / scene / name
        if os.environ.get("UPDATE_CONVERSATION"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_still(text))
        assert _still(text) == path.read_text(), f"{scene}/{name} has changed"
