"""``marketo-sandbox``: serve an instance, or run the demonstration."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sqlite3
import sys
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import OUT_OF_RANGE, Clock
from marketo_sandbox.optional_dependencies import missing_packages_message
from marketo_sandbox.options import ALL_PERMISSIONS, DIALECTS, LimitOptions, SandboxOptions
from marketo_sandbox.server.faults import FaultRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEMO_OPPORTUNITIES = 1200
MAX_COUNT = 2**63 - 1
MAX_PORT = 65_535
MAX_LATENCY_MS = 86_400_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit status."""
    parsed = _parser().parse_args(arguments)
    missing = missing_packages_message()
    if missing is not None:
        print(f"marketo-sandbox: {missing}", file=sys.stderr)
        return 1
    if parsed.command == "demo":
        from marketo_sandbox.demo import run_demo  # noqa: PLC0415 - wants both plugins

        return int(run_demo(opportunities=parsed.opportunities))
    return serve(_options(parsed))


def serve(options: SandboxOptions) -> int:
    """Serve an instance until SIGTERM or SIGINT."""
    from marketo_sandbox.server.server import SandboxServer  # noqa: PLC0415 - wants the extra

    stop_requested = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_requested.set())
    try:
        server = SandboxServer(options).start()
    except sqlite3.Error as error:
        print(f"marketo-sandbox: cannot use {options.database}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = error.strerror or error
        print(f"marketo-sandbox: cannot listen on port {options.port}: {reason}", file=sys.stderr)
        return 1
    print(json.dumps(server.credentials), flush=True)
    stop_requested.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="marketo-sandbox", description="A Marketo instance on loopback."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="serve an instance until told to stop"))
    demo = commands.add_parser(
        "demo", help="run the tap into the target, from one instance to another"
    )
    demo.add_argument("--opportunities", type=_count, default=DEMO_OPPORTUNITIES, metavar="N")
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=0, metavar="P", help="by default a free one")
    parser.add_argument(
        "--opportunities", type=_count, default=0, metavar="N", help="how many to begin with"
    )
    parser.add_argument(
        "--leads", type=_count, metavar="N", help="by default half as many as opportunities"
    )
    parser.add_argument("--database", metavar="FILE", help="keep the instance in this file")
    parser.add_argument(
        "--latency-ms",
        type=_milliseconds,
        default=0.0,
        metavar="MS",
        help="least duration of a call",
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="CODE=PROBABILITY",
        help="a Marketo code or another fault's name, such as 606=0.1 or cut_before=0.02;"
        " or a whole rule as JSON",
    )
    parser.add_argument(
        "--crm-sync",
        nargs="?",
        const="read-only",
        choices=["read-only", "disabled"],
        help="a native CRM sync owns the opportunities",
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="of records and faults")
    parser.add_argument(
        "--dialect",
        action="append",
        default=[],
        choices=DIALECTS,
        metavar="NAME",
        help=f"play what Adobe leaves open the other way: {', '.join(DIALECTS)}",
    )
    _add_instance_options(parser)


def _add_instance_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--client-id", metavar="ID")
    parser.add_argument("--client-secret", metavar="SECRET")
    parser.add_argument(
        "--token-seconds", type=_count, default=3600, metavar="N", help="life of an access token"
    )
    parser.add_argument(
        "--clock", type=_moment, metavar="MOMENT", help="where its clock begins (ISO 8601)"
    )
    parser.add_argument(
        "--deny", action="append", default=[], choices=sorted(ALL_PERMISSIONS), metavar="PERMISSION"
    )
    parser.add_argument("--no-limits", action="store_true", help="enforce none of the limits")
    parser.add_argument("--calls-per-window", type=_limit, default=100, metavar="N")
    parser.add_argument("--concurrent-calls", type=_limit, default=10, metavar="N")
    parser.add_argument("--daily-calls", type=_limit, default=50_000, metavar="N")


def _options(parsed: argparse.Namespace) -> SandboxOptions:
    return SandboxOptions(
        opportunities=parsed.opportunities,
        leads=parsed.leads,
        seed=parsed.seed,
        database=parsed.database,
        port=parsed.port,
        latency_ms=parsed.latency_ms,
        faults=parsed.fault,
        crm_sync=parsed.crm_sync,
        client_id=parsed.client_id,
        client_secret=parsed.client_secret,
        token_seconds=parsed.token_seconds,
        dialects=frozenset(parsed.dialect),
        clock=parsed.clock,
        permissions=ALL_PERMISSIONS - frozenset(parsed.deny),
        limits=LimitOptions(
            enforced=not parsed.no_limits,
            calls_per_window=parsed.calls_per_window,
            concurrent_calls=parsed.concurrent_calls,
            daily_calls=parsed.daily_calls,
        ),
    )


def _count(text: str) -> int:
    return int(_number(int, text, 0, MAX_COUNT, "whole number from 0 on"))


def _limit(text: str) -> int:
    return int(_number(int, text, 1, MAX_COUNT, "whole number from 1 on"))


def _port(text: str) -> int:
    return int(_number(int, text, 0, MAX_PORT, f"port from 0 to {MAX_PORT}"))


def _seed(text: str) -> int:
    return int(_number(int, text, -MAX_COUNT, MAX_COUNT, "whole number"))


def _milliseconds(text: str) -> float:
    return _number(float, text, 0, MAX_LATENCY_MS, "number of milliseconds from 0 to a day's")


def _number(
    read: Callable[[str], float], text: str, least: float, most: float, wanted: str
) -> float:
    try:
        number = read(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no {wanted}")
    return number


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment like 2026-01-31T00:00:00Z"
        ) from error
    try:
        Clock().set(moment)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is too far away: {OUT_OF_RANGE}") from error
    return moment.isoformat()


def _fault(text: str) -> dict[str, Any]:
    rule = _read_rule(text)
    try:
        FaultRule.from_mapping(rule)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return rule


def _read_rule(text: str) -> dict[str, Any]:
    try:
        if text.startswith("{"):
            return dict(json.loads(text))
        name, _, probability = text.partition("=")
        return {"fault": name, "probability": float(probability)}
    except ValueError as error:
        wanted = "CODE=PROBABILITY, such as 606=0.1, and no rule as JSON"
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form {wanted}") from error


if __name__ == "__main__":
    sys.exit(main())
