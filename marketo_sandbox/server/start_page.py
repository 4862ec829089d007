"""The start page, which shows records, limits and calls in a browser."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def start_page() -> str:
    """Return the page, complete in itself; it reads ``/sandbox`` for what it shows."""
    return files("marketo_sandbox.server").joinpath("page.html").read_text("utf-8")
