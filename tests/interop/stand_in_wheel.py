"""A package without dependencies whose programs run those of this environment.

Meltano installs it in less than a second.
"""

from __future__ import annotations

import typing as t
import zipfile

from tests.pipeline.processes import BIN

if t.TYPE_CHECKING:
    from pathlib import Path

_NAME = "marketo_opps_standin"
_INFO = f"{_NAME}-1.dist-info"
_CODE = f"""import os, sys

def main():
    name = os.path.basename(sys.argv[0])
    os.execv(os.path.join({str(BIN)!r}, name), [name, *sys.argv[1:]])
"""
_FILES = {
    f"{_NAME}.py": _CODE,
    f"{_INFO}/METADATA": f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1\n",
    f"{_INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{_INFO}/RECORD": "",
}


def wheel(folder: Path, *programs: str) -> Path:
    """Write a wheel with the given programs to a folder, and return its path."""
    scripts = [f"{program} = {_NAME}:main\n" for program in programs]
    path = folder / f"{_NAME}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in _FILES.items():
            archive.writestr(name, text)
        archive.writestr(f"{_INFO}/entry_points.txt", "".join(["[console_scripts]\n", *scripts]))
    return path
