"""The real plugin without its waiting for the rate limit: `unpaced.py tap|target ARGUMENT...`.

A million records take 11 minutes at Marketo's ceiling, almost all of them spent waiting. All else
is as it comes, the limit of calls at once too.
"""

from __future__ import annotations

import importlib
import sys

CLASSES = {"tap": "TapMarketoOpps", "target": "TargetMarketoOpps"}


def main(kind: str, *arguments: str) -> None:
    # Not both plugins: what one costs is measured.
    plugin = getattr(importlib.import_module(f"{kind}_marketo_opps.{kind}"), CLASSES[kind])
    sys.argv = [plugin.name, *arguments]
    type("Unpaced", (plugin,), {"pacing_window_seconds": 0.0}).run_console_script()


if __name__ == "__main__":
    main(*sys.argv[1:])
