"""The soak in short; `make soak SECONDS=3600` is the same in long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Its plan has every kind of kill and restart in its first runs. With a target that lets STATE out
# too early this seed loses records.
SEED = "2474"


def test_the_pair_loses_nothing_however_it_is_disturbed():
    soak = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "25", "--seed", SEED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert soak.returncode == 0, soak.stdout
    assert soak.stdout.endswith("nothing lost, nothing silent\n"), soak.stdout
