"""Shorter waits and smaller calls in the process of a plugin."""

from __future__ import annotations

import time
import typing as t

from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.process import BEGAN_AT
from marketo_opps.retry import ExponentialWait
from marketo_opps.transport import HttpResponse, Transport
from tap_marketo_opps.finding import key_sources
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.waiting_stage import WaitingStage
from tap_marketo_opps.reconcile import passes, warehouse_file
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.run import RunLimits, TargetRun

SHARE_OF_WAITS = 0.05
WINDOW_SECONDS = 0.5


class Sizes(t.NamedTuple):
    """Sizes of calls, so that a small instance or input takes many calls.

    Attributes:
        batch_records: maximum number of records per call of a target.
        patience_seconds: how long an open batch of a target may hold a STATE back.
        keys: maximum number of keys that a tap looks up by one call.
        pages: maximum number of pages that wait in a tap for the lookups of the keys they name.
        timeout_seconds: how long to wait for a response; None for as long as ever.
        pace: how many seconds of `max_run_seconds` pass in a second.
    """

    batch_records: int = 300
    patience_seconds: float = 300.0
    keys: int = 300
    pages: int = 20
    timeout_seconds: float | None = None
    pace: float = 1.0


def quicken(sizes: Sizes) -> None:
    """Shorten pacing and retries of this process, and limit the sizes of its calls."""
    MarketoPlugin.pacing_window_seconds = WINDOW_SECONDS
    whole = ExponentialWait.seconds
    ExponentialWait.seconds = lambda *asked: SHARE_OF_WAITS * whole(*asked)
    TargetRun.__init__.__kwdefaults__["limits"] = RunLimits(
        max_batch_records=sizes.batch_records, state_patience_seconds=sizes.patience_seconds
    )
    for module in (key_sources, passes, warehouse_file):
        assert module.KEYS_PER_CALL
        module.KEYS_PER_CALL = sizes.keys
    key_sources.LeadRange.__init__.__defaults__ = (sizes.keys,)
    for stage in (LookupStage, WaitingStage):
        stage.__init__.__kwdefaults__.update(
            keys_per_call=sizes.keys, max_pages_waiting=sizes.pages
        )
    began = time.monotonic()
    TapMarketoOpps.clock = staticmethod(lambda: BEGAN_AT + sizes.pace * (time.monotonic() - began))
    if sizes.timeout_seconds:
        _shorten_timeouts(sizes.timeout_seconds)


def _shorten_timeouts(seconds: float) -> None:
    send = Transport.send

    def send_in_time(
        self: Transport, *arguments: t.Any, server_timeout_seconds: float, **more: t.Any
    ) -> HttpResponse:
        del server_timeout_seconds
        return send(self, *arguments, server_timeout_seconds=seconds / 2, **more)

    Transport.send = send_in_time
    defaults = {"connect_timeout_seconds": seconds / 2, "patience_seconds": 0.0}
    Transport.__init__.__kwdefaults__.update(defaults)
