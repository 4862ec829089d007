"""Faults, kills and changes that happen to a run at chosen moments."""

from __future__ import annotations

import asyncio
import signal
import typing as t

if t.TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

Rule = dict[str, t.Any]

LOGIN = "<!DOCTYPE html><html><body>Please sign in.</body></html>"
# Retried, or answered with a new token.
TRANSIENT: tuple[Rule, ...] = (
    *({"fault": code} for code in ("500", "502", "604", "608", "611", "614", "713", "719")),
    *({"fault": code, "after": True} for code in ("502", "604", "611", "713")),
    *({"fault": code} for code in ("http_500", "http_502", "http_503", "http_504")),
    *({"fault": "http_502", "after": True}, {"fault": "http_504", "after": True}),
    *({"fault": "html", "status": 502}, {"fault": "cut_before"}, {"fault": "cut_after_write"}),
    *({"fault": "cut_after_write"}, {"fault": "truncated_body"}, {"fault": "drop_keep_alive"}),
    *({"fault": "606"}, {"fault": "615"}, {"fault": "slow", "seconds": 0.2}),
    *({"fault": "expire_tokens"}, {"fault": "expire_page_tokens"}),
    {"fault": "answer", "body": "", "status": 429, "headers": {"retry-after": "0"}},
    *({"fault": "wire", "cut_at": size} for size in (9, 150)),
)
# They end a run.
FATAL: tuple[Rule, ...] = (
    *({"fault": code} for code in ("603", "605", "607", "609", "610", "612", "616", "9999")),
    {"fault": "answer", "body": LOGIN, "headers": {"content-type": "text/html"}},
    {"fault": "answer", "body": "", "after": True},
    {"fault": "answer", "body": "{", "after": True},
    {"fault": "answer", "body": {"success": False, "errors": []}},
    {"fault": "answer", "body": [1], "after": True},
    {"fault": "answer", "body": "", "status": 404},
)
WRITES = ("sync opportunity", "sync role", "delete opportunity", "delete role")
# Slow responses, after the call was processed or instead: silent, or byte by byte.
SLOW: tuple[Rule, ...] = (
    *({"fault": "wire", "drip": "headers", "seconds": pause} for pause in (1.5, 0.04)),
    *({"fault": code, "drip": "headers", "seconds": 1.5} for code in ("604", "http_504")),
)
TIMEOUT_SECONDS = 1.0
# Of one call because of a record in it: a call of several records is split, a record that was sent
# alone is rejected. Not codes that say that a record is there, or not there.
REFUSALS = frozenset({"718", "1001", "1002", "1003", "1007", "1008", "1011", "1022", "1036"})
# Of one call: its results do not match its records, or lack something.
OF_WRITES: tuple[Rule, ...] = (
    {"fault": "1018"},
    {"fault": "answer", "body": {"success": True, "requestId": "1#a"}, "after": True},
    {"fault": "answer", "body": {"success": True, "result": [{"seq": 0}]}, "after": True},
    {"fault": "patch", "each": {"seq": None}},
    {"fault": "patch", "each": {"marketoGUID": {"$value": None}}},
    {"fault": "patch", "each": {"status": "queued"}},
    {"fault": "patch", "where": {"status": "skipped"}, "each": {"reasons": None}},
)


def draw_faults(
    dice: random.Random, *, writes: bool, refusals: bool = False, is_slow: bool = False
) -> list[Rule]:
    """Return rules of up to three faults, each of which is injected once or twice.

    Args:
        dice: random source.
        writes: whether half of the faults are of calls that write.
        refusals: whether some of these are `REFUSALS`.
        is_slow: whether slow responses are among the faults.
    """
    of_writes = (*OF_WRITES, *({"fault": code} for code in sorted(REFUSALS) if refusals))
    found = [
        _draw_fault(dice, of_writes if writes else ()) for _ in range(dice.choice([0, 1, 1, 2, 3]))
    ]
    slow = {**dice.choice(SLOW), "times": 1, "skip": dice.randrange(dice.choice([6, 20]))}
    return [slow, *found] if is_slow else found


def _draw_fault(dice: random.Random, of_writes: Sequence[Rule]) -> Rule:
    times = {"times": dice.choice([1, 1, 2])}
    if of_writes and dice.random() < 0.5:
        rule = dice.choice(of_writes if dice.random() < 0.3 else TRANSIENT)
        return {**rule, **times, "operation": dice.choice(WRITES), "skip": dice.randrange(4)}
    rule = dice.choice(FATAL if dice.random() < 0.25 else TRANSIENT)
    return {**rule, **times, "skip": dice.randrange(dice.choice([6, 20, 40]))}


class Moments:
    """Moments before and after the work of each call, at which something is made to happen.

    A sandbox waits at each of these moments (`SandboxServer(sleep=moments.sleep)`).
    """

    def __init__(self) -> None:
        self._count = 0
        self._acts: dict[int, Callable[[], None]] = {}

    async def sleep(self, seconds: float) -> None:
        """Do what is planned for this moment, then wait for the sandbox's latency."""
        self._count += 1
        act = self._acts.pop(self._count, None)
        if act is not None:
            act()
        await asyncio.sleep(seconds)

    def plan(self, acts: dict[int, Callable[[], None]]) -> None:
        """Count the moments from 1 again, and do each act at the moment of its number."""
        self._count, self._acts = 0, dict(acts)


class Kill(t.NamedTuple):
    """A signal at a moment of a call, or some time after the start if it has no moment.

    Attributes:
        signum: SIGKILL, SIGTERM or SIGINT.
        moment: number of the moment; None to go by the time.
        seconds: time since the start.
    """

    signum: int
    moment: int | None
    seconds: float


def draw_kill(dice: random.Random) -> Kill | None:
    """Return the kill of a run, or None if the run is not killed."""
    if dice.random() < 0.35:
        return None
    signum = dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    moment = dice.randrange(1, dice.choice([20, 60, 120])) if dice.random() < 0.8 else None
    return Kill(signum, moment, dice.uniform(0.0, 0.3))
