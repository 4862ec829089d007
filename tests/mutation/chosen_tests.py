"""Judges mutants by a few chosen tests, with a process for each mutant.

No record of which test runs which function is needed. So modules for which mutmut cannot make that
record can be judged too, and a module that a single test file is about is judged in minutes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=15")
_TIMED_OUT = 36
"""Exit status by which mutmut means the same."""


def judge(mutants: Path, module: str, tests: list[str]) -> None:
    """Run the tests for each mutant of a module without an outcome, and write it where mutmut does.

    Args:
        mutants: directory in which mutmut has written the mutants.
        module: name of the module.
        tests: test files, from the most likely to detect a mutant to the least.

    Raises:
        subprocess.CalledProcessError: the tests fail without a mutation.
    """
    meta = mutants / (module.replace(".", "/") + ".py.meta")
    written = json.loads(meta.read_text())
    codes: dict[str, int | None] = written["exit_code_by_key"]
    began = time.monotonic()
    if status := _exit_status(mutants, "", tests, seconds=600):
        raise subprocess.CalledProcessError(status, tests)
    seconds = 3 * (time.monotonic() - began) + 20
    for name in [name for name, code in codes.items() if code is None]:
        codes[name] = _exit_status(mutants, name, tests, seconds=seconds)
        meta.write_text(json.dumps(written))


def _exit_status(mutants: Path, name: str, tests: list[str], *, seconds: float) -> int:
    """Return the exit status of the tests with a mutant; without mutation if `name` is empty."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *_OPTIONS, *tests],
        cwd=mutants,
        env={**os.environ, "CI": "1", "MUTANT_UNDER_TEST": name},
        # If the tests fail without a mutation, the reason has to be seen.
        stdout=subprocess.DEVNULL if name else None,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _TIMED_OUT
