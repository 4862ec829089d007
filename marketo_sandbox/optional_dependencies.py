"""The check that the packages of the optional extra ``sandbox`` are installed."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = ("httptools", "starlette", "uvicorn")


def missing_packages_message() -> str | None:
    """Return an error message that names packages that the sandbox lacks, or None if it has all."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return (
        f"the sandbox needs {', '.join(missing)}: install this package with its extra 'sandbox', "
        "as in python3 -m pip install '.[sandbox]' from a clone"
    )
