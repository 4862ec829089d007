"""A short soak test; `make soak SECONDS=3600` runs a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The plan of this seed has every kind of kill and restart in its first runs. With a target that
# emits states too early, this seed loses records.
SEED = "2474"


def test_disturbed_runs_lose_no_record():
    soak = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "25", "--seed", SEED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert soak.returncode == 0, soak.stdout
    assert soak.stdout.endswith("passed: no record lost, no problem unreported\n"), soak.stdout
