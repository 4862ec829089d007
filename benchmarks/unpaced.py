"""The real plugin without its waiting for the rate limit: `unpaced.py tap|target ARGUMENT...`.

A million records take 11 minutes at Marketo's ceiling, almost all of them spent waiting. All else
is as it comes, the limit of calls at once too.
"""

from __future__ import annotations

import importlib
import sys

from marketo_opps import pacing


def main(kind: str, *arguments: str) -> None:
    pacing.WINDOW_SECONDS = 0.0
    name = f"{kind}-marketo-opps"
    sys.argv = [name, *arguments]
    importlib.import_module(f"{name.replace('-', '_')}.{kind}").main()


if __name__ == "__main__":
    main(*sys.argv[1:])
