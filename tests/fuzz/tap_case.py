"""A case of the tap: a changing instance is copied, with faults, kills and restarts."""

from __future__ import annotations

import json
import os
import random
import typing as t

from tests.fuzz.disturbances import Kill, draw_faults, draw_kill
from tests.fuzz.quick import Sizes
from tests.fuzz.runs import Ended, FoundError, Runner, Tally
from tests.fuzz.tap_model import STREAMS, Copy, read_messages
from tests.tap_marketo_opps.histories.people import COMPANIES, People
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Act = Callable[[], None]

Settings = dict[str, t.Any]

DIALECTS = ("tokens-only", "api-names", "full-envelope", "offsets")
LIST = 1001
HOUR_SECONDS = 3600
LEADS_TO_COME = 60
BATCH_SIZES = (1, 3, 10, 50, 300)
# With other settings, a run that was interrupted begins again.
OTHER_SETTINGS_ODDS = 0.1


class TapCase:
    """An instance, the people who change it, and the runs that copy it.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory = dice, directory
        self._runner = Runner(_draw_options(dice), tally, directory)
        self._sandbox = self._runner.sandbox
        # Dice of their own, since how much is changed during a run depends on its calls.
        self._people = People(self._sandbox, random.Random(dice.randrange(10**9)))
        self._deal_dice = random.Random(dice.randrange(10**9))
        self.settings = _draw_settings(dice, directory)
        self._sizes = Sizes(keys=dice.choice([300, 9, 4, 4]), pages=dice.choice([20, 4, 1]))
        self._copy = Copy(self._sandbox, tally)
        self._state: t.Any = None
        self._due: set[str] = set()

    def play(self) -> None:
        """Copy the instance in several runs of one way to find, or of several that go together."""
        self._dice.choice([self._follow_leads, self._follow_leads, self._follow_values])()

    def close(self) -> None:
        """Stop the instance."""
        self._runner.close()

    # By leads: a sweep, daily runs, a reconcile

    def _follow_leads(self) -> None:
        act = self._people.act
        self._until_done(self._draw_sweep(), act=act)
        for _ in range(self._dice.randrange(3)):
            self._change()
            self._until_done({"find_by": "activities"}, act=act)
        self._until_done({"find_by": "activities"})
        self._copy.check_has(ROLES, self._copy.stored(ROLES), after="activities")
        deals = self._copy.stored(OPPORTUNITIES)
        # A change of a deal without a role is not logged.
        due = {guid: deals[guid] for guid in self._copy.guids_with_a_role()}
        self._copy.check_has(OPPORTUNITIES, due, after="activities")
        if all(table.rows for table in self._copy.tables.values()):
            self._reconcile()

    def _reconcile(self) -> None:
        # No merges: they change the lead of a role without a new date, which reconcile cannot see.
        self._change_deals(self._dice.choice([0, 6]))
        files = {
            PATHS[stream]: str(table.export(self._directory / f"{stream}.csv"))
            for stream, table in self._copy.tables.items()
        }
        present = {stream: {*self._copy.loaded(stream)} for stream in STREAMS}
        due = {*self._due}
        self._until_done({"find_by": "reconcile", "max_gone_percent": 100, **files})
        for stream in STREAMS:
            stored = self._copy.stored(stream)
            known = {guid: each for guid, each in stored.items() if guid in present[stream]}
            self._copy.check_has(stream, known, after="reconcile")
            self._copy.check_has_only(stream, {*stored})
        if not (due & self._copy.stored(OPPORTUNITIES).keys() <= present[OPPORTUNITIES]):
            raise FoundError("a deal that had a role during a finished run was never copied")

    def _draw_sweep(self) -> Settings:
        leads = self._sandbox.instance.lead_ids()
        self._sandbox.instance.add_to_list(LIST, leads)
        path = self._directory / "leads.txt"
        path.write_text("".join(f"{each}\n" for each in leads))
        now = self._sandbox.instance.clock.seconds()
        os.utime(path, (now, now))
        return self._dice.choice(
            [
                {
                    "find_by": "lead_ids",
                    "lead_id_from": 1,
                    "lead_id_to": max(leads) + LEADS_TO_COME,
                },
                {"find_by": "lead_ids", "lead_ids_path": str(path)},
                {"find_by": "lead_list", "lead_list_id": LIST},
            ]
        )

    # By values

    def _follow_values(self) -> None:
        way = self._dice.choice(["company", "dedupeFields", "idField"])
        for _ in range(self._dice.randrange(3)):
            self._until_done(self._filter(way), act=self._change_deal)
            self._change_deals(self._dice.randrange(8))
        self._until_done(self._filter(way))
        for stream in STREAMS:
            self._copy.check_has(stream, self._copy.stored(stream), after=f"filter by {way}")

    def _filter(self, way: str) -> Settings:
        if way == "company":
            return {"filter_type": "externalCompanyId", "filter_values": COMPANIES}
        deals = self._sandbox.instance.opportunities()
        name = "marketoGUID" if way == "idField" else "externalOpportunityId"
        path = self._directory / "values.txt"
        path.write_text("".join(f"{each[name]}\n" for each in deals))
        return {"filter_type": way, "filter_values_path": str(path)}

    # Runs

    def _change(self) -> None:
        for _ in range(self._dice.randrange(10)):
            self._people.act()

    def _change_deals(self, times: int) -> None:
        for _ in range(times):
            self._change_deal()

    def _change_deal(self) -> None:
        """Change deals or roles, but no leads."""
        people = self._people
        acts = [people.open_deal, people.change_deals, people.join, people.leave]
        acts += [people.change_role, people.lose_deal]
        self._sandbox.advance(self._deal_dice.randrange(1, HOUR_SECONDS))
        self._deal_dice.choice(acts)()

    def _until_done(self, way: Settings, *, act: Act | None = None) -> None:
        """Run until a run has ended well and was loaded; at the end undisturbed.

        Args:
            way: settings that say how to find.
            act: makes a change during a run; None if nothing changes meanwhile.
        """
        self._people.watch()
        self._sandbox.advance(self._dice.randrange(HOUR_SECONDS, 30 * HOUR_SECONDS))
        states = [self._state]
        for _ in range(self._dice.choice([0, 1, 2, 3, 3])):
            if self._attempt(way, states, is_disturbed=True, act=act):
                self._due |= {*self._people.held.values()}
                return
            self._sandbox.advance(self._dice.randrange(60, 12 * HOUR_SECONDS))
        if not self._attempt(way, states, is_disturbed=False, act=act):
            raise FoundError(f"an undisturbed run by {way} has not ended well")
        self._due |= {*self._people.held.values()}

    def _attempt(
        self, way: Settings, states: list[t.Any], *, is_disturbed: bool, act: Act | None
    ) -> bool:
        for rule in draw_faults(self._dice, writes=False) if is_disturbed else ():
            self._sandbox.fault(**rule)
        state = self._dice.choice(states) if self._dice.random() < 0.2 else states[-1]
        moments = self._dice.sample(range(1, 60), self._dice.randrange(6)) if act else []
        acts = {moment: act for moment in moments if act}
        ended = self._run(way, state, acts, kill=draw_kill(self._dice) if is_disturbed else None)
        self._sandbox.clear_faults()
        is_loaded = self._load(ended, states, is_whole=not is_disturbed)
        # An unknown error of the roles' describe call means that there are none: the run goes on.
        return is_loaded and ended.code == 0 and "Without roles" not in ended.stderr

    def _run(
        self, way: Settings, state: t.Any, acts: Mapping[int, Act], *, kill: Kill | None
    ) -> Ended:
        arguments = []
        if state is not None:
            path = self._directory / "state.json"
            path.write_text(json.dumps(state))
            arguments = ["--state", str(path)]
        config = {**self.settings, **way}
        if self._dice.random() < OTHER_SETTINGS_ODDS:
            config["batch_size"] = self._dice.choice(BATCH_SIZES)
        return self._runner.run(
            "tap-marketo-opps", config, *arguments, kill=kill, acts=acts, sizes=self._sizes
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
            self._copy.load(messages[: ends[last]])
            states += found[: last + 1]
            is_all = last == len(ends) - 1
        else:
            self._copy.load(messages if self._dice.random() < 0.5 else messages[: [0, *ends][-1]])
            states += found
            is_all = True
        self._state = states[-1]
        return is_all


def _draw_options(dice: random.Random) -> Settings:
    return {
        "opportunities": dice.randrange(20, 60),
        "leads": dice.randrange(5, 40),
        "seed": dice.randrange(1000),
        "latency_ms": dice.choice([0, 0, 2, 8]),
        "activity_scan": dice.choice([5, 600]),
        "activity_delay_seconds": dice.choice([0, 300]),
        "log_deletions": dice.random() < 0.5,
        "short_pages": dice.choice([0, 0.3]),
        "describe_role_dates": dice.random() < 0.5,
        "dialects": frozenset(each for each in DIALECTS if dice.random() < 0.2),
    }


def _draw_settings(dice: random.Random, directory: Path) -> Settings:
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
