"""The soak in short; `make soak SECONDS=3600` is the same in long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pair_loses_nothing_however_it_is_disturbed():
    soak = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "25", "--seed", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert soak.returncode == 0, soak.stdout
    assert soak.stdout.endswith("nothing lost, nothing silent\n"), soak.stdout
