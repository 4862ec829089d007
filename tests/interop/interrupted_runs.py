"""Runs of the tap into a third-party target that are interrupted between two pages."""

from __future__ import annotations

import typing as t

from tests.pipeline.processes import await_that

if t.TYPE_CHECKING:
    import signal

    from marketo_sandbox.server.server import SandboxServer
    from tests.pipeline.processes import Pair, Plugin, RunningPair

LATENCY_MS = 150
PAGES = 7
"""Number of pages with 100 opportunities each, as the source has 700; pages of roles follow."""

SMALL_PAGES = {"batch_size": 100, "max_concurrent_calls": 1}


def pages_read(source: SandboxServer) -> int:
    return len(source.journal(operation="query opportunity"))


def end_half_way(
    pair: Pair,
    source: SandboxServer,
    choose: t.Callable[[RunningPair], Plugin],
    signum: signal.Signals,
) -> tuple[int, int]:
    """Kill tap or target while the tap waits for pages, and return both exit statuses.

    Args:
        pair: the pair to start.
        source: the instance that the tap reads.
        choose: returns the plugin to kill.
        signum: the signal to send.
    """
    source.instance.options.latency_ms = LATENCY_MS
    running = pair.start()
    await_that(lambda: len(source.journal(operation="query role")) >= PAGES)
    choose(running).kill(signum)
    codes = running.wait()
    source.instance.options.latency_ms = 0
    return codes
