"""What is to happen in a run of the pair, drawn from the seed alone."""

from __future__ import annotations

import random
import signal
import typing as t
from dataclasses import dataclass

HOUR_SECONDS = 3600.0
CHANGE_KINDS = ("fields", "fields", "fields", "new", "first_role", "new_lead")


@dataclass(frozen=True)
class Event:
    """Something that happens once a plugin has made so many calls in this run.

    Attributes:
        plugin: whose calls are counted: `tap` (at the source) or `target` (at the destination).
        after_calls: how many; 0 is before its first.
        what: `kill`, `change`, `restart`, `expire_tokens` or `expire_page_tokens`.
        which: the kind of change; of a kill, the plugin that it hits.
        signum: with what a process is ended.
        seconds: how long an instance stays away.
        number: which of all events it is; what it draws is drawn from this.
    """

    plugin: str
    after_calls: int
    what: str
    which: str = ""
    signum: int = 0
    seconds: float = 0.0
    number: int = 0


@dataclass(frozen=True)
class RunPlan:
    """One run, and how much later by the instances' clocks the next one comes.

    Attributes:
        events: in the order of their calls.
        sweep: whether the leads are swept again, though the daily runs have long begun.
        pause_seconds: until the next run, after one that ended well.
        retry_seconds: the same after one that did not.
    """

    events: tuple[Event, ...]
    sweep: bool
    pause_seconds: float
    retry_seconds: float


def plan_run(seed: int, number: int) -> RunPlan:
    """The plan of the n-th run; the same for the same seed."""
    dice = random.Random(f"{seed}:{number}")
    events = [*_kills(dice), *_restarts(dice), *_expiries(dice), *_changes(dice)]
    ordered = sorted(events, key=lambda event: event.after_calls)
    return RunPlan(
        events=tuple(
            Event(**{**vars(event), "number": number * 100 + index})
            for index, event in enumerate(ordered)
        ),
        sweep=dice.random() < 0.08,
        pause_seconds=dice.uniform(2 * HOUR_SECONDS, 36 * HOUR_SECONDS),
        retry_seconds=dice.uniform(60, 600),
    )


def _kills(dice: random.Random) -> t.Iterator[Event]:
    if dice.random() < 0.5:
        # Counted by either's calls: a target that has sent nothing yet may hold much already.
        counted, victim = dice.choice(["tap", "tap", "target"]), dice.choice(["tap", "target"])
        signum = dice.choice([signal.SIGKILL, signal.SIGTERM])
        yield Event(counted, _calls(dice, counted), "kill", which=victim, signum=signum)


def _restarts(dice: random.Random) -> t.Iterator[Event]:
    if dice.random() < 0.25:
        plugin = dice.choice(["tap", "target"])
        signum = dice.choice([signal.SIGKILL, signal.SIGTERM])
        away = dice.uniform(0, 2)
        yield Event(plugin, _calls(dice, plugin), "restart", signum=signum, seconds=away)


def _expiries(dice: random.Random) -> t.Iterator[Event]:
    if dice.random() < 0.4:
        plugin = dice.choice(["tap", "target"])
        yield Event(plugin, _calls(dice, plugin), "expire_tokens")
    if dice.random() < 0.3:
        yield Event("tap", _calls(dice, "tap"), "expire_page_tokens")


def _changes(dice: random.Random) -> t.Iterator[Event]:
    for _ in range(dice.randint(1, 4)):
        yield Event("tap", _calls(dice, "tap"), "change", which=dice.choice(CHANGE_KINDS))


def _calls(dice: random.Random, plugin: str) -> int:
    """Somewhere in a daily run: it reads some ten times, and writes a few."""
    return dice.randint(0, 14 if plugin == "tap" else 4)
