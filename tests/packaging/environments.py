"""Environments that hold the built wheel, as its users have it, and nothing of this checkout."""

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
# Made once, like the rest of the environment that the tests run in, and gone with it.
KEPT = Path(sys.prefix) / "packages"
# pip may have to fetch some fifty packages.
INSTALL_SECONDS = 240.0
RUN_SECONDS = 200.0
# pytest, with what it needs that the project does not.
PYTEST = {"iniconfig", "pluggy", "pygments", "pytest"}


def pins(name: str) -> list[str]:
    """The packages that a file in `requirements/` pins, each with its hashes."""
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
        """Run a program of its own to its end; what it says is text."""
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
    """A new one with the wheel, which has to find all that it requires among the packages."""
    subprocess.run([python, "-m", "venv", "--without-pip", directory], check=True)
    made = Environment(directory)
    (made.site_packages / "packages.pth").write_text(f"{packages}\n")
    # Isolated: a machine may be told to look for packages in more places than an index.
    _pip(made.python, "--isolated", "install", "--no-index", f"{wheel}{extra}")
    return made


def keep_packages(
    python: Path, requirements: t.Iterable[str], versions: t.Iterable[str] | None = None
) -> Path:
    """A directory with these packages for this interpreter, kept for the next time.

    Args:
        python: the interpreter.
        requirements: lines of a requirements file.
        versions: what the requirements lead to, version by version; without it they are complete.
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
    """Whole or not at all; someone else may have made the same in the meantime."""
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
