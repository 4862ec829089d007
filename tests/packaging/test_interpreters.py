"""The pinned packages and the wheel under each other supported Python that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.mutation.suites import SUITES
from tests.packaging.environments import (
    PYTEST,
    ROOT,
    keep_packages,
    make_environment,
    pins,
    project,
)

pytestmark = pytest.mark.slow

CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
SUPPORTED = re.findall(r"Python :: (3\.\d+)$", "\n".join(CLASSIFIERS), re.MULTILINE)
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
# Packages that the tests need besides the project.
TOOLS = PYTEST | {"hypothesis", "pytest-timeout", "requests-mock", "sortedcontainers"}
FAST = [f"{suite.directory}/{name}" for suite in SUITES.values() for name in suite.fast]


def interpreter(version):
    """Return the path of a Python that runs, or None.

    A version manager puts a shim on the PATH even for a version that is not installed.
    """
    found = [Path(directory) / f"python{version}" for directory in os.get_exec_path()]
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return next((path for path in found if path.exists() and runs(path, version)), None)


def runs(path, version):
    script = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", script], check=False, capture_output=True, text=True)
    return (done.returncode, done.stdout.strip()) == (0, version)


def each_version():
    for version in SUPPORTED:
        marks = [pytest.mark.xdist_group(f"python{version}")]
        if version != SUPPORTED[-1]:
            # Tests that pass under the newest Python and the tests' own pass between them, too.
            marks.append(pytest.mark.long)
        if version != OWN:
            yield pytest.param(version, marks=marks)


@pytest.fixture(scope="module", params=each_version())
def environment(request, wheel, tmp_path_factory):
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} on this machine")
    tools = [pin for pin in pins("dev") if project(pin) in TOOLS]
    packages = keep_packages(python, dict.fromkeys([*pins("run"), *tools]))
    directory = tmp_path_factory.mktemp("python") / "environment"
    return make_environment(directory, python, wheel, packages, extra="[sandbox]")


def test_the_demonstration_succeeds(environment):
    done = environment.run("marketo-sandbox", "demo", "--opportunities", "700")

    assert done.returncode == 0, done.stdout + done.stderr
    last = "All records arrived; the second run moved only the 25 changed opportunities."
    assert last in done.stdout


def test_the_fast_tests_pass(environment, tmp_path):
    shutil.copytree(
        ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    done = environment.run("python", "-m", "pytest", "-q", *FAST, cwd=tmp_path)

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 1000
