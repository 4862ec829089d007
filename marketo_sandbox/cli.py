"""The ``marketo-sandbox`` command: serve a sandbox instance, or run the demonstration."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import threading
from typing import TYPE_CHECKING

from marketo_sandbox.arguments import argument_parser, sandbox_options
from marketo_sandbox.optional_dependencies import missing_packages_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_sandbox.options import SandboxOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run its subcommand, and return the exit status."""
    parsed = argument_parser().parse_args(arguments)
    missing = missing_packages_message()
    if missing is not None:
        print(f"marketo-sandbox: {missing}", file=sys.stderr)
        return 1
    if parsed.command == "demo":
        from marketo_sandbox.demo import run_demo  # noqa: PLC0415 - needs both plugins

        return int(run_demo(opportunities=parsed.opportunities))
    return serve(sandbox_options(parsed))


def serve(options: SandboxOptions) -> int:
    """Serve a sandbox instance until SIGTERM or SIGINT, and return the exit status."""
    from marketo_sandbox.server.server import SandboxServer  # noqa: PLC0415 - needs the extra

    stop_requested = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_requested.set())
    try:
        server = SandboxServer(options).start()
    except sqlite3.Error as error:
        print(f"marketo-sandbox: cannot open database {options.database}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = error.strerror or error
        print(f"marketo-sandbox: cannot listen on port {options.port}: {reason}", file=sys.stderr)
        return 1
    # Programs read standard output, so it carries nothing but the line of JSON.
    hint = f"marketo-sandbox: open {server.endpoint} in a browser to watch calls; Ctrl-C stops it"
    print(hint, file=sys.stderr, flush=True)
    print(json.dumps(server.credentials), flush=True)
    stop_requested.wait()
    server.stop()
    return 0
