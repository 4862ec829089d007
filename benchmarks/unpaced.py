"""Runs the tap or target without waiting for the rate limit: `unpaced.py tap|target ARGUMENT...`.

At Marketo's rate limit a million records take 11 minutes, almost all of them spent waiting.
Everything else is unchanged, including the limit of concurrent calls.
"""

from __future__ import annotations

import importlib
import sys

CLASSES = {"tap": "TapMarketoOpps", "target": "TargetMarketoOpps"}


def main(kind: str, *arguments: str) -> None:
    # Only the plugin that runs is imported, because its own cost is measured.
    plugin = getattr(importlib.import_module(f"{kind}_marketo_opps.{kind}"), CLASSES[kind])
    sys.argv = [plugin.name, *arguments]
    type("Unpaced", (plugin,), {"pacing_window_seconds": 0.0}).run_console_script()


if __name__ == "__main__":
    main(*sys.argv[1:])
