"""The lines of README that keep a state do so whatever the target has printed."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.manual.pages import ROOT

KEEPING = {
    line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("tail ")
}


@pytest.mark.parametrize(
    ("printed", "kept"),
    [("", 1), ('{"n": 2}\n', 2), ('{"n": 2}\n{"n": 3}\n', 3), ('{"n": 2}\n{"n": ', 1)],
)
def test_a_state_is_replaced_by_a_whole_one_alone(printed, kept, tmp_path):
    (line,) = KEEPING
    (tmp_path / "state.json").write_text('{"n": 1}')
    (tmp_path / "state.jsonl").write_text(printed)
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=False, capture_output=True)
    assert json.loads((tmp_path / "state.json").read_text()) == {"n": kept}
