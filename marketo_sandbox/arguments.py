"""The command line of ``marketo-sandbox``: its options, and what may be written for them."""

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
      an instance with 1,200 opportunities, 600 leads and their roles
  marketo-sandbox serve --port 8700 --database instance.db
      an instance that a restart finds as it was
  marketo-sandbox demo
      tap and target, from one instance into another

marketo-sandbox serve --help tells all options of an instance.
"""
SERVE_EXAMPLES = """\
examples:
  marketo-sandbox serve --port 8700 --opportunities 5000 --latency-ms 400
      as slow as a real one
  marketo-sandbox serve --fault 606=0.02 --fault cut_after_write=0.01 --seed 7
      one call in 50 is refused, one in 100 is done and its answer lost
  marketo-sandbox serve --daily-calls 100 --deny "Read-Only Activity"
      a small quota, and an API user who may not read the activity log

When it is ready it prints one line of JSON with endpoint, client_id and client_secret. Opened in
a browser, the endpoint shows records, limits and calls.
"""
DEMO_EXAMPLES = """\
example:
  marketo-sandbox demo --opportunities 200
      the same in less time
"""


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="marketo-sandbox",
        description="A Marketo instance on loopback, for trying things out and for tests.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('marketo-opps')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(_command(commands, "serve", "serve an instance until told to stop", SERVE_EXAMPLES))
    demo = "run the tap into the target, from one instance to another"
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
        help="how many the source has (%(default)s)",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_records(parser)
    _add_behaviour(parser)
    _add_access(parser)
    _add_limits(parser)


def _add_records(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what it holds").add_argument
    add("--opportunities", type=_count, default=0, metavar="N", help="how many to begin with")
    add("--leads", type=_count, metavar="N", help="by default half as many as opportunities")
    add("--seed", type=_seed, default=0, metavar="S", help="of records and faults (%(default)s)")
    add("--database", metavar="FILE", help="keep the instance in this file")
    add("--clock", type=_moment, metavar="MOMENT", help="where its clock begins (ISO 8601)")


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how it answers").add_argument
    add("--port", type=_port, default=0, metavar="P", help="by default a free one")
    add(
        "--latency-ms",
        type=_milliseconds,
        default=0.0,
        metavar="MS",
        help="least duration of a call (%(default)g)",
    )
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="CODE=PROBABILITY",
        help="a Marketo code or another fault's name, such as 606=0.1 or cut_before=0.02;"
        " or a whole rule as JSON; may be given several times",
    )
    add(
        "--dialect",
        action="append",
        default=[],
        choices=DIALECTS,
        metavar="NAME",
        help=f"play what Adobe leaves open the other way: {', '.join(DIALECTS)};"
        " may be given several times",
    )
    add(
        "--crm-sync",
        nargs="?",
        const="read-only",
        choices=["read-only", "disabled"],
        help="a native CRM sync owns the opportunities: they can be read, or not at all",
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("who may do what").add_argument
    kept = "by default a new one, kept in the database"
    add("--client-id", metavar="ID", help=f"of the custom service; {kept}")
    add("--client-secret", metavar="SECRET", help=f"of the custom service; {kept}")
    add(
        "--token-seconds",
        type=_count,
        default=3600,
        metavar="N",
        help="life of an access token (%(default)s)",
    )
    permissions = sorted(ALL_PERMISSIONS)
    add(
        "--deny",
        action="append",
        default=[],
        choices=permissions,
        metavar="PERMISSION",
        help=f"the API user lacks it: {', '.join(permissions)}; may be given several times",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("its limits").add_argument
    limits = LimitOptions()
    for option, default, what in (
        ("--calls-per-window", limits.calls_per_window, f"calls in {limits.window_seconds:g} s"),
        ("--concurrent-calls", limits.concurrent_calls, "calls at once"),
        ("--daily-calls", limits.daily_calls, "calls a day"),
    ):
        add(option, type=_limit, default=default, metavar="N", help=f"{what} (%(default)s)")
    add("--no-limits", action="store_true", help="enforce none of the limits")


def sandbox_options(parsed: argparse.Namespace) -> SandboxOptions:
    """Return the options of the instance that a parsed command line asks for."""
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
