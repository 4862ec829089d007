"""Runs of a tap, one from the STATE of another, until one has ended well; with faults and kills."""

from __future__ import annotations

import json
import typing as t

from tests.fuzz.disturbances import TIMEOUT_SECONDS, Kill, draw_faults, draw_kill
from tests.fuzz.quick import Sizes
from tests.fuzz.runs import Ended, FoundError, Runner
from tests.fuzz.tap_model import read_messages

if t.TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.fuzz.tap_model import Messages

    Act = Callable[[], None]

Settings = dict[str, t.Any]

HOUR_SECONDS = 3600
BATCH_SIZES = (1, 3, 10, 50, 300)
# With other settings, a run that was interrupted begins again.
OTHER_SETTINGS_ODDS = 0.1
TIME_BOX_ODDS = 0.25
PACES = (3.0, 8.0, 30.0)
SLOW_ODDS = 0.1
PAUSED = "max_run_seconds (1) reached: paused"
RESTARTS = " of opportunity_fields, which starts over"


class TapRuns:
    """Runs of a tap against one instance.

    Args:
        dice: random source.
        directory: directory for all files.
        runner: runs the processes.
        load: loads the messages of a run, or of its beginning.

    Attributes:
        settings: settings of all runs.
        catalog: path of the catalog; None for the streams that are selected by default.
    """

    def __init__(
        self,
        dice: random.Random,
        directory: Path,
        runner: Runner,
        load: Callable[[Messages], None],
    ) -> None:
        self._dice, self._directory, self._runner, self._load_all = dice, directory, runner, load
        self.settings = draw_settings(dice, directory)
        self.catalog: Path | None = None
        self._sizes = Sizes(keys=dice.choice([300, 9, 4, 4]), pages=dice.choice([20, 4, 1]))
        self._state: t.Any = None

    def until_done(self, way: Settings, *, act: Act | None = None) -> None:
        """Run until a run has ended well and was loaded; at the end undisturbed.

        Args:
            way: settings that say how to find.
            act: makes a change during a run; None if nothing changes meanwhile.
        """
        advance = self._runner.sandbox.advance
        advance(self._dice.randrange(HOUR_SECONDS, 30 * HOUR_SECONDS))
        states = [self._state]
        for _ in range(self._dice.choice([0, 1, 2, 3, 3])):
            if self._attempt(way, states, is_disturbed=True, act=act):
                return
            advance(self._dice.randrange(60, 12 * HOUR_SECONDS))
        for _ in range(self._dice.choice([0, 0, 0, 2])):
            if self._attempt(way, states, is_disturbed=False, act=act, has_time_box=True):
                return
        if not self._attempt(way, states, is_disturbed=False, act=act):
            raise FoundError(f"an undisturbed run by {way} has not ended well")

    def _attempt(
        self,
        way: Settings,
        states: list[t.Any],
        *,
        is_disturbed: bool,
        act: Act | None,
        has_time_box: bool = False,
    ) -> bool:
        is_slow = is_disturbed and self._dice.random() < SLOW_ODDS
        for rule in draw_faults(self._dice, writes=False, is_slow=is_slow) if is_disturbed else ():
            self._runner.sandbox.fault(**rule)
        has_time_box |= is_disturbed and self._dice.random() < TIME_BOX_ODDS
        sizes = self._sizes._replace(
            timeout_seconds=TIMEOUT_SECONDS if is_slow else None,
            pace=self._dice.choice(PACES),
        )
        state = self._dice.choice(states) if self._dice.random() < 0.2 else states[-1]
        moments = self._dice.sample(range(1, 60), self._dice.randrange(6)) if act else []
        acts = {moment: act for moment in moments if act}
        kill = draw_kill(self._dice) if is_disturbed else None
        config = {**way, **({"max_run_seconds": 1} if has_time_box else {})}
        ended = self._run(config, state, acts, sizes, kill=kill)
        self._runner.sandbox.clear_faults()
        is_paused = PAUSED in ended.stderr
        if is_paused:
            _check_pause(ended, state)
        is_loaded = self._load(ended, states, is_whole=not is_disturbed)
        # A permanent error of the roles' describe call means that there are none: the run goes on.
        is_whole = not is_paused and "Without roles" not in ended.stderr
        return is_loaded and is_whole and ended.code == 0

    def _run(
        self,
        way: Settings,
        state: t.Any,
        acts: Mapping[int, Act],
        sizes: Sizes,
        *,
        kill: Kill | None,
    ) -> Ended:
        arguments = ["--catalog", str(self.catalog)] if self.catalog else []
        if state is not None:
            path = self._directory / "state.json"
            path.write_text(json.dumps(state))
            arguments += ["--state", str(path)]
        config = {**self.settings, **way}
        if self._dice.random() < OTHER_SETTINGS_ODDS:
            config["batch_size"] = self._dice.choice(BATCH_SIZES)
        return self._runner.run(
            "tap-marketo-opps", config, *arguments, kill=kill, acts=acts, sizes=sizes
        )

    def _load(self, ended: Ended, states: list[t.Any], *, is_whole: bool) -> bool:
        """Load what a run has written, or its beginning up to a STATE; return whether all of it.

        A loader that ends early has committed the records before the STATE that it has printed.
        """
        messages = read_messages(ended.stdout)
        ends = [number for number, each in enumerate(messages, 1) if each["type"] == "STATE"]
        found = [messages[end - 1]["value"] for end in ends]
        if not is_whole and ends and self._dice.random() < 0.5:
            last = self._dice.randrange(len(ends))
            self._load_all(messages[: ends[last]])
            states += found[: last + 1]
            is_all = last == len(ends) - 1
        else:
            self._load_all(messages if self._dice.random() < 0.5 else messages[: [0, *ends][-1]])
            states += found
            is_all = True
        self._state = states[-1]
        return is_all


def _check_pause(ended: Ended, state: t.Any) -> None:
    """Raise an error if a paused run has not come further, or has not ended well."""
    states = [each["value"] for each in read_messages(ended.stdout) if each["type"] == "STATE"]
    # The streams that a run has finished may leave the STATE as it was, except in a reconcile.
    was_paused_after_them = f"{PAUSED}. Not" in ended.stderr or RESTARTS in ended.stderr
    is_between = was_paused_after_them and " with Marketo." not in ended.stderr
    if not is_between and (not states or states[-1] == state):
        raise FoundError(f"a paused run has not come further: {ended.stderr[-1500:]}")
    if ended.is_undisturbed and ended.code:
        raise FoundError(f"a paused run has failed: {ended.stderr[-1500:]}")


def draw_settings(dice: random.Random, directory: Path) -> Settings:
    """Return settings of a tap that say nothing of how to find."""
    settings: Settings = {
        "batch_size": dice.choice(BATCH_SIZES),
        "max_concurrent_calls": dice.randint(1, 6),
        "calls_per_20_seconds": 100,
        "max_retry_seconds": dice.choice([0, 2, 5]),
    }
    if dice.random() < 0.3:
        settings["limits_path"] = str(directory / "limits")
    if dice.random() < 0.3:
        settings["lead_fields"] = ["email"]
    if dice.random() < 0.1:
        settings["report_path"] = str(directory / "report.jsonl")
    return settings
