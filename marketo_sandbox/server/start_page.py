"""The start page: what the instance holds and what is happening to it, for a browser."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def start_page() -> str:
    """The page, complete in itself; it asks ``/sandbox`` for what it shows."""
    return files("marketo_sandbox.server").joinpath("page.html").read_text("utf-8")
