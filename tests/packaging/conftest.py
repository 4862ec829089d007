"""Fixtures: the wheel and the sdist, and an environment with the installed wheel."""

from __future__ import annotations

import subprocess
import sys
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.environments import (
    ROOT,
    keep_packages,
    make_environment,
    pins,
    without_hashes,
)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Return a directory with wheel and sdist, built with the installed tools."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", directory]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(built):
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def metadata_text(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


@pytest.fixture(scope="session")
def bare(wheel, metadata_text, tmp_path_factory):
    """Return an environment with the wheel and its required packages, without extras and tools."""
    required = message_from_string(metadata_text).get_all("Requires-Dist")
    packages = keep_packages(
        Path(sys.executable),
        [each for each in required if "extra ==" not in each],
        versions=[without_hashes(pin) for pin in pins("run")],
    )
    directory = tmp_path_factory.mktemp("bare") / "environment"
    return make_environment(directory, Path(sys.executable), wheel, packages)
