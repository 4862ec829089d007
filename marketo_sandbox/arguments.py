"""The command-line options of ``marketo-sandbox``, with their help and their validation."""

from __future__ import annotations

import argparse
import json
import math
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import OUT_OF_RANGE, Clock
from marketo_sandbox.options import ALL_PERMISSIONS, DIALECTS, LimitOptions, SandboxOptions
from marketo_sandbox.server.faults import FaultRule

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO_OPPORTUNITIES = 1200
MAX_COUNT = 2**63 - 1
MAX_PORT = 65_535
MAX_LATENCY_MS = 86_400_000

EXAMPLES = """\
examples:
  marketo-sandbox serve --opportunities 1200
      serve an instance with 1,200 opportunities, 600 leads and their roles
  marketo-sandbox serve --port 8700 --database instance.db
      keep the instance in a file, so that it survives a restart
  marketo-sandbox demo
      run the tap into the target, between two instances

Run marketo-sandbox serve --help for all options of an instance.
"""
SERVE_EXAMPLES = """\
examples:
  marketo-sandbox serve --port 8700 --opportunities 5000 --latency-ms 400
      respond as slowly as a real instance
  marketo-sandbox serve --fault 606=0.02 --fault cut_after_write=0.01 --seed 7
      refuse 2% of calls with code 606; write 1% of calls but lose the response
  marketo-sandbox serve --daily-calls 100 --deny "Read-Only Activity"
      set a small daily API quota and deny access to the activity log

Once the server is ready it prints one line of JSON with endpoint, client_id and client_secret.
Open the endpoint in a browser to see records, limits in use and calls.
"""
DEMO_EXAMPLES = """\
example:
  marketo-sandbox demo --opportunities 200
      move fewer opportunities, in less time
"""


def argument_parser() -> argparse.ArgumentParser:
    """Return the ``argparse`` parser of ``marketo-sandbox``, with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="marketo-sandbox",
        description="A local stand-in for a Marketo instance, for tests and for trying things out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('marketo-opps')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(_command(commands, "serve", "serve an instance until stopped", SERVE_EXAMPLES))
    demo = "run the tap into the target, from one sandbox instance to another"
    _add_demo(_command(commands, "demo", demo, DEMO_EXAMPLES))
    return parser


def _command(commands: Any, name: str, purpose: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--opportunities",
        type=_count,
        default=DEMO_OPPORTUNITIES,
        metavar="N",
        help="number of opportunities in the source (default: %(default)s)",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_records(parser)
    _add_server(parser)
    _add_behaviour(parser)
    _add_access(parser)
    _add_limits(parser)


def _add_records(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("records").add_argument
    opportunities = "number of opportunities to create (default: %(default)s)"
    add("--opportunities", type=_count, default=0, metavar="N", help=opportunities)
    leads = "number of leads to create (default: half the number of opportunities)"
    add("--leads", type=_count, metavar="N", help=leads)
    seed = "random seed of records and faults (default: %(default)s)"
    add("--seed", type=_seed, default=0, metavar="S", help=seed)
    database = "SQLite file to keep the instance in (default: a temporary database)"
    add("--database", metavar="FILE", help=database)
    clock = "initial time of the instance's clock, in ISO 8601 (default: the real time)"
    add("--clock", type=_clock_time, metavar="TIME", help=clock)


def _add_server(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("server").add_argument
    add("--port", type=_port, default=0, metavar="P", help="port to listen on (default: any free)")
    add(
        "--latency-ms",
        type=_milliseconds,
        default=0.0,
        metavar="MS",
        help="minimum duration of a call in milliseconds (default: %(default)g)",
    )


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("behaviour").add_argument
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="CODE=PROBABILITY",
        help="inject a fault: a Marketo error code or a fault's name, such as 606=0.1,"
        " http_503=0.1 (the HTTP status) or cut_before=0.02, or a fault rule as a JSON object;"
        " may be repeated",
    )
    add(
        "--dialect",
        action="append",
        default=[],
        choices=DIALECTS,
        metavar="NAME",
        help="vary behaviour that Adobe does not document; may be repeated; one of"
        f" {', '.join(DIALECTS)}",
    )
    add(
        "--crm-sync",
        nargs="?",
        const="read-only",
        choices=["read-only", "disabled"],
        help="simulate a native CRM sync that owns opportunities: read-only refuses writes and"
        " all role calls, disabled refuses all opportunity and role calls (default without a"
        " value: read-only)",
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("access").add_argument
    kept = "(default: a random one, kept in the database)"
    id_help = f"client ID of the custom service {kept}"
    add("--client-id", type=_text, metavar="ID", help=id_help)
    secret_help = f"client secret of the custom service {kept}"
    add("--client-secret", type=_text, metavar="SECRET", help=secret_help)
    add(
        "--token-seconds",
        type=_count,
        default=3600,
        metavar="N",
        help="lifetime of an access token in seconds (default: %(default)s)",
    )
    permissions = sorted(ALL_PERMISSIONS)
    add(
        "--deny",
        action="append",
        default=[],
        choices=permissions,
        metavar="PERMISSION",
        help="permission that the API user does not have; may be repeated; one of"
        f" {', '.join(permissions)}",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("limits").add_argument
    limits = LimitOptions()
    window = f"rate limit: calls in any {limits.window_seconds:g} s"
    for option, default, limit in (
        ("--calls-per-window", limits.calls_per_window, window),
        ("--concurrent-calls", limits.concurrent_calls, "concurrent calls"),
        ("--daily-calls", limits.daily_calls, "daily API quota: calls per day"),
    ):
        help_text = f"{limit} (default: %(default)s)"
        add(option, type=_limit, default=default, metavar="N", help=help_text)
    add("--no-limits", action="store_true", help="do not enforce any limit")


def sandbox_options(parsed: argparse.Namespace) -> SandboxOptions:
    """Return the options of a sandbox instance that the command line of ``serve`` sets."""
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


def _text(text: str) -> str:
    """Return an argument; it is refused if its bytes are not UTF-8, and not quoted then."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError("must be text in UTF-8") from error
    return text


def _count(text: str) -> int:
    return int(_number(int, text, 0, MAX_COUNT, "a non-negative integer"))


def _limit(text: str) -> int:
    return int(_number(int, text, 1, MAX_COUNT, "a positive integer"))


def _port(text: str) -> int:
    return int(_number(int, text, 0, MAX_PORT, f"a port number from 0 to {MAX_PORT}"))


def _seed(text: str) -> int:
    return int(_number(int, text, -MAX_COUNT, MAX_COUNT, "an integer"))


def _milliseconds(text: str) -> float:
    return _number(float, text, 0, MAX_LATENCY_MS, f"a number from 0 to {MAX_LATENCY_MS:,}")


def _number(
    read: Callable[[str], float], text: str, least: float, most: float, expected: str
) -> float:
    try:
        number = read(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return number


def _clock_time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an ISO 8601 date-time such as 2026-01-31T00:00:00Z"
        ) from error
    try:
        Clock().set(moment)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: {OUT_OF_RANGE}") from error
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
        forms = "neither CODE=PROBABILITY, such as 606=0.1, nor a fault rule as a JSON object"
        raise argparse.ArgumentTypeError(f"{text!r} is {forms}") from error
