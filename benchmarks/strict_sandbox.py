"""A sandbox instance that refuses a whole call for one record's stage, with 1003.

Adobe lists codes of single records that can come for the call as well, without saying when; the
sandbox has no rule of its own for it. Prints its credentials, and serves until told to stop.
"""

from __future__ import annotations

import json
import signal
import typing as t

from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.server.server import SandboxServer

if t.TYPE_CHECKING:
    from marketo_sandbox.instance.describe import ObjectType

REFUSED_STAGE = "refused"


class StrictInstance(Instance):
    """One bad stage, and nothing of the call is done."""

    def sync(self, obj: ObjectType, parameters: t.Any) -> dict[str, t.Any]:
        """Refuse, or write."""
        if any(record.get("stage") == REFUSED_STAGE for record in parameters["input"]):
            raise CallRefusedError("1003", "Invalid data: 'stage' is not allowed")
        return super().sync(obj, parameters)


def main() -> None:
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    with SandboxServer(StrictInstance()) as sandbox:
        print(json.dumps(sandbox.credentials), flush=True)
        signal.sigwait(stop)


if __name__ == "__main__":
    main()
