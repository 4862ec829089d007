"""The console script, which handles signals even while the rest of the package is imported.

It takes half a second until a run has its own signal handlers, so this module installs handlers
before it imports anything else of this package. It does not import `typing` either, which takes
longer than the rest of this module. `target_marketo_opps.console` repeats this code, because
sharing it would need another import.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command `tap-marketo-opps`."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    try:
        from tap_marketo_opps.tap import main as run  # noqa: PLC0415 - see above
    except Exception as error:  # noqa: BLE001 - without memory, any may come of an import
        why = str(error) or "out of memory"
        sys.exit(f"tap-marketo-opps cannot be loaded: {why}.")
    run()


def _stop(signum: int, _frame: FrameType | None) -> None:
    os.write(2, b"tap-marketo-opps: stopped on request, before anything was done.\n")
    os._exit(128 + signum)
