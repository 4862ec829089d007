"""Start the plugin, and handle signals while it is being imported.

No module of this project is imported before the handlers are set, because the imports take half a
second. `typing` is not imported either: it takes longer than everything else here. The console
module of the tap has the same lines, because a shared module would have to be imported first.
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
    """Run `target-marketo-opps`."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    try:
        from target_marketo_opps.target import main as run  # noqa: PLC0415 - see above
    except Exception as error:  # noqa: BLE001 - without memory, any may come of an import
        why = str(error) or "out of memory"
        sys.exit(f"target-marketo-opps cannot be loaded: {why}.")
    run()


def _stop(signum: int, _frame: FrameType | None) -> None:
    os.write(2, b"target-marketo-opps: stopped on request, before anything was done.\n")
    os._exit(128 + signum)
