"""The tap into another's target: which of its pages were read, and a kill between two of them."""

from __future__ import annotations

import typing as t

from tests.pipeline.processes import await_that

if t.TYPE_CHECKING:
    import signal

    from marketo_sandbox.server.server import SandboxServer
    from tests.pipeline.processes import Pair, Plugin, RunningPair

LATENCY_MS = 150
PAGES = 7
"""Of 100 opportunities each, where the source holds 700; more of roles, each after its page."""

SMALL_PAGES = {"batch_size": 100, "max_concurrent_calls": 1}


def pages_read(source: SandboxServer) -> int:
    return len(source.journal(operation="query opportunity"))


def end_half_way(
    pair: Pair,
    source: SandboxServer,
    choose: t.Callable[[RunningPair], Plugin],
    signum: signal.Signals,
) -> tuple[int, int]:
    """End one half while the tap still waits for pages; the exit codes of both."""
    source.instance.options.latency_ms = LATENCY_MS
    running = pair.start()
    await_that(lambda: len(source.journal(operation="query role")) >= PAGES)
    choose(running).kill(signum)
    codes = running.wait()
    source.instance.options.latency_ms = 0
    return codes
