"""The start page of the sandbox, which shows its records, API usage and calls in a browser."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

PART = re.compile(r"/\* (\w+\.(?:css|js)) \*/\n")


@cache
def start_page() -> str:
    """Return the HTML of the start page, with styles and scripts included.

    The scripts get the data that they show by control calls under ``/sandbox``.
    """
    folder = files("marketo_sandbox.server").joinpath("page")
    page = folder.joinpath("page.html").read_text("utf-8")
    return PART.sub(lambda part: folder.joinpath(part[1]).read_text("utf-8"), page)
