"""Plans of the soak test's runs: disturbances and pauses, generated from the seed only."""

from __future__ import annotations

import random
import signal
import typing as t
from dataclasses import dataclass

HOUR_SECONDS = 3600.0
CHANGE_KINDS = (
    *("fields", "fields", "fields", "new", "new", "first_role", "new_lead"),
    *("merge", "merge", "delete_lead", "lose_deals", "leave", "list"),
)
ACTIVITIES, LEAD_IDS, LEAD_LIST, RECONCILE = "activities", "lead_ids", "lead_list", "reconcile"
FILTER = "filter"


@dataclass(frozen=True)
class Event:
    """A disturbance that happens after a plugin has made a number of calls in a run.

    Attributes:
        plugin: plugin whose calls are counted: `tap` (at the source) or `target` (at the
            destination).
        after_calls: number of calls; 0 for before the first.
        what: `kill`, `change`, `restart`, `expire_tokens` or `expire_page_tokens`.
        which: kind of change; for a kill, the process to kill: `tap`, `target` or `companion`.
        signum: signal that ends a process.
        seconds: time for which an instance is unavailable.
        number: number of the event, which is the seed of its random choices.
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
    """The plan of one run, and of the pause until the next run by the instances' clocks.

    Attributes:
        events: disturbances, in the order of their calls.
        find_by: how the tap finds: `activities`, `lead_ids` or `lead_list`.
        is_patient: True for this run instead of a reconcile that was interrupted.
        companions: `find_by` of the taps that run at the same time for themselves.
        pause_seconds: pause before the next run after a successful one.
        retry_seconds: pause before the next run after a failed one.
    """

    events: tuple[Event, ...]
    find_by: str = ACTIVITIES
    is_patient: bool = False
    companions: tuple[str, ...] = ()
    pause_seconds: float = 0
    retry_seconds: float = 60


def plan_run(seed: int, number: int) -> RunPlan:
    """Return the plan of a run, given its number; the same seed gives the same plan."""
    dice = random.Random(f"{seed}:{number}")
    companions = (FILTER, LEAD_LIST) if dice.random() < 0.5 else ()
    kills = [*_kills(dice), *_companion_kills(dice, companions)]
    events = [*kills, *_restarts(dice), *_expiries(dice), *_changes(dice)]
    ordered = sorted(events, key=lambda event: event.after_calls)
    return RunPlan(
        events=tuple(
            Event(**{**vars(event), "number": number * 100 + index})
            for index, event in enumerate(ordered)
        ),
        find_by=dice.choices([ACTIVITIES, LEAD_IDS, LEAD_LIST], [80, 8, 12])[0],
        is_patient=dice.random() < 0.3,
        companions=companions,
        pause_seconds=dice.uniform(2 * HOUR_SECONDS, 60 * HOUR_SECONDS),
        retry_seconds=dice.uniform(60, 600),
    )


def _kills(dice: random.Random) -> t.Iterator[Event]:
    if dice.random() < 0.5:
        # Calls of either plugin are counted: a target may hold many records before its first call.
        counted, victim = dice.choice(["tap", "tap", "target"]), dice.choice(["tap", "target"])
        signum = dice.choice([signal.SIGKILL, signal.SIGTERM])
        yield Event(counted, _calls(dice, counted), "kill", which=victim, signum=signum)


def _companion_kills(dice: random.Random, companions: tuple[str, ...]) -> t.Iterator[Event]:
    if companions and dice.random() < 0.5:
        signum = dice.choice([signal.SIGKILL, signal.SIGTERM])
        yield Event("tap", _calls(dice, "tap"), "kill", which="companion", signum=signum)


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
    for _ in range(dice.randint(1, 5)):
        yield Event("tap", _calls(dice, "tap"), "change", which=dice.choice(CHANGE_KINDS))


def _calls(dice: random.Random, plugin: str) -> int:
    """Return a random number of calls within a daily run of about ten reads and a few writes."""
    return dice.randint(0, 14 if plugin == "tap" else 4)
