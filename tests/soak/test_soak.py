"""A short soak test; `make soak SECONDS=3600` runs a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# In its first runs, this seed has kills of each process, a restart, merged and deleted leads,
# deleted opportunities and roles, a changed list, and a reconcile that finds some of them gone.
SEED = "53848"


def test_disturbed_runs_lose_no_record():
    soak = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "12", "--seed", SEED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert soak.returncode == 0, soak.stdout
    assert soak.stdout.endswith("passed: no record lost, no problem unreported\n"), soak.stdout
