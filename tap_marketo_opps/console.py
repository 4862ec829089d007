"""The console script: answers a signal in a sentence while the rest is still being imported.

It imports nothing of ours before that: half a second goes by until a run has its own handlers.
Nor `typing`, which takes longer than all else here. The other plugin's has the same lines: to
share them would be an import of ours.
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
    """Run `tap-marketo-opps`."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    try:
        from tap_marketo_opps.tap import main as run  # noqa: PLC0415 - see above
    except Exception as error:  # noqa: BLE001 - without memory, any may come of an import
        why = str(error) or "it got no more memory"
        sys.exit(f"tap-marketo-opps cannot be loaded: {why}.")
    run()


def _stop(signum: int, _frame: FrameType | None) -> None:
    os.write(2, b"tap-marketo-opps: stopped on request, before anything was done.\n")
    os._exit(128 + signum)
