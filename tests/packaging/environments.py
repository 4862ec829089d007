"""Virtual environments with the built wheel, as users have it, and nothing of this checkout."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Kept in the environment of the tests, and removed with it.
KEPT = Path(sys.prefix) / "packages"
# pip may have to fetch some fifty packages.
INSTALL_SECONDS = 240.0
RUN_SECONDS = 200.0
# pytest and its requirements that the project itself does not need.
PYTEST = {"iniconfig", "pluggy", "pygments", "pytest"}


def pins(name: str) -> list[str]:
    """Return the packages that a file in `requirements/` pins, each with its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return re.split(r"\n(?=\S)", text.strip())


def without_hashes(pin: str) -> str:
    return pin.partition(" \\\n")[0]


def project(pin: str) -> str:
    return pin.partition("==")[0]


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    directory: Path

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def site_packages(self) -> Path:
        (found,) = self.directory.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str | Path, **more: t.Any) -> t.Any:
        """Run a program of the environment until it exits, and return its outcome."""
        environment = {**os.environ, "PYTHONPATH": "", **more.pop("env", {})}
        return subprocess.run(
            [self.bin / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            env=environment,
            **{"cwd": self.directory, **more},
        )


def make_environment(
    directory: Path, python: Path, wheel: Path, packages: Path, extra: str = ""
) -> Environment:
    """Return a new environment with the wheel; its requirements must be among the packages."""
    subprocess.run([python, "-m", "venv", "--without-pip", directory], check=True)
    made = Environment(directory)
    (made.site_packages / "packages.pth").write_text(f"{packages}\n")
    # Isolated, because the configuration of pip may name other sources of packages.
    _pip(made.python, "--isolated", "install", "--no-index", f"{wheel}{extra}")
    return made


def keep_packages(
    python: Path, requirements: t.Iterable[str], versions: t.Iterable[str] | None = None
) -> Path:
    """Return a directory with packages for an interpreter, which is kept for later test runs.

    Args:
        python: path of the interpreter.
        requirements: lines of a requirements file.
        versions: pinned versions to which the requirements resolve; None if they are complete.
    """
    listed, fixed = "\n".join(requirements), "\n".join(versions or ())
    place = KEPT / _digest(python.resolve(), listed, fixed)
    if not place.exists():
        KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
            filled = Path(scratch, "packages")
            files = Path(scratch, "requirements.txt"), Path(scratch, "constraints.txt")
            files[0].write_text(listed)
            files[1].write_text(fixed)
            options = ["--no-deps"] if versions is None else ["-c", files[1]]
            _pip(python, "install", "--target", filled, *options, "-r", files[0])
            _move(filled, place)
    return place


def _move(filled: Path, place: Path) -> None:
    """Move a directory in one step; keep the existing one if another process was faster."""
    try:
        filled.rename(place)
    except OSError:
        if not place.exists():
            raise


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def _pip(python: Path, *arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
