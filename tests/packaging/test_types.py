"""Type checks of another project's code by mypy against the installed wheel."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]

RIGHT = """
from collections.abc import Sequence

from marketo_opps import ConnectionSettings, MarketoClient, MarketoError, MarketoObject, Page
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps


def look_up(settings: ConnectionSettings, ids: Sequence[str]) -> Page | None:
    with MarketoClient(settings) as client:
        try:
            return client.query(
                MarketoObject.OPPORTUNITIES,
                filter_type="dedupeFields",
                filter_values=ids,
                fields=["name"],
            )
        except MarketoError:
            return None


class Tap(TapMarketoOpps):
    name = "tap-of-a-stranger"


def names() -> list[str]:
    target = TargetMarketoOpps(config={})
    return [stream.name for stream in Tap(config={}).discover_streams()] + [target.name]
"""
# These errors prove that mypy finds the types; without them everything would be Any and valid.
WRONG = """
from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps

client: MarketoClient = MarketoClient({"endpoint": "..."})
client.query(MarketoObject.OPPORTUNITIES, filter_type=5, filter_values=["x"], fields=["name"])
client.forget()
number: int = TapMarketoOpps.name
letters: bytes = TargetMarketoOpps.name
"""
COMPLAINTS = {6: "arg-type", 7: "arg-type", 8: "attr-defined", 9: "assignment", 10: "assignment"}


def test_mypy_accepts_correct_use_and_rejects_wrong_use(bare, tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental"]

    done = subprocess.run(
        [*command, "--python-executable", bare.python, "right.py", "wrong.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    found = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert {(name, int(line), code) for name, line, code in found} == {
        ("wrong", line, code) for line, code in COMPLAINTS.items()
    }, done.stdout
    assert done.stdout.count("error:") == len(COMPLAINTS), done.stdout
