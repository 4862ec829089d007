"""Judges mutants by a few chosen tests, with a process for each mutant.

No record of which test runs which function is needed. So modules for which mutmut cannot make that
record can be judged too, and a module that a single test file is about is judged in minutes: each
process is forked from one that has imported the third-party packages.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=15"),
    # Packages are imported before pytest can rewrite their assertions.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
# Not the project's own: what a module does while it is imported may be mutated.
_SLOW_TO_IMPORT = ("hypothesis", "jsonschema", "requests_mock", "singer_sdk.mapper", "uvicorn")
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
    environment = {**os.environ, "CI": "1", "MUTANT_UNDER_TEST": ""}
    command = [sys.executable, __file__, module, *tests]
    subprocess.run(command, cwd=mutants, env=environment, check=True)


def _judge_here(module: str, tests: list[str]) -> int:
    """Judge the mutants in the current directory; return the exit status of the unmutated tests."""
    sys.path[0] = str(Path.cwd())
    for name in _SLOW_TO_IMPORT:
        importlib.import_module(name)
    meta = Path(module.replace(".", "/") + ".py.meta")
    written = json.loads(meta.read_text())
    codes: dict[str, int | None] = written["exit_code_by_key"]
    began = time.monotonic()
    if status := _exit_status("", tests, seconds=600):
        return status
    seconds = 3 * (time.monotonic() - began) + 20
    for name in [name for name, code in codes.items() if code is None]:
        codes[name] = _exit_status(name, tests, seconds=seconds)
        meta.write_text(json.dumps(written))
    return 0


def _exit_status(name: str, tests: list[str], *, seconds: float) -> int:
    """Return the exit status of the tests with a mutant; without mutation if `name` is empty."""
    child = os.fork()
    if not child:
        _run_and_exit(name, tests)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _TIMED_OUT


def _run_and_exit(name: str, tests: list[str]) -> None:
    os.setsid()
    os.environ["MUTANT_UNDER_TEST"] = name
    if name:
        # If the tests fail without a mutation, the reason has to be seen.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    status = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        status = int(pytest.main([*_OPTIONS, *tests]))
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(_judge_here(sys.argv[1], sys.argv[2:]))
