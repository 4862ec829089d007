"""A sandbox instance that refuses a whole call with 1003 if one record has a certain stage.

Adobe lists codes of single records that Marketo may also return for the whole call, without saying
when; the sandbox itself has no rule for it. The script prints the instance's credentials and
serves until it is stopped.
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
    """Sandbox instance that refuses a whole sync call if one record has a certain stage."""

    def sync(self, obj: ObjectType, parameters: t.Any) -> dict[str, t.Any]:
        """Refuse the call with 1003 if a record has the bad stage; otherwise write the records."""
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
