"""The packages of the extra ``sandbox``: tap and target do without them."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = ("httptools", "starlette", "uvicorn")


def missing_packages_message() -> str | None:
    """What to install before a sandbox can be started; nothing where all of it is there."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return (
        f"the sandbox needs {', '.join(missing)}: install this package with its extra 'sandbox', "
        "as in python3 -m pip install '.[sandbox]' from a clone"
    )
