"""A case of the tap: a changing instance is copied, with faults, kills and restarts."""

from __future__ import annotations

import os
import random
import typing as t

from tests.fuzz.runs import FoundError, Runner, Tally
from tests.fuzz.tap_model import STREAMS, Copy
from tests.fuzz.tap_runs import HOUR_SECONDS, Settings, TapRuns
from tests.tap_marketo_opps.histories.people import COMPANIES, People
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES

if t.TYPE_CHECKING:
    from pathlib import Path

    from marketo_sandbox.server.server import SandboxServer
    from tests.fuzz.tap_runs import Act

DIALECTS = ("tokens-only", "api-names", "full-envelope", "offsets")
LIST = 1001
LEADS_TO_COME = 60


class TapCase:
    """An instance, the people who change it, and the runs that copy it.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory = dice, directory
        self._runner = Runner(draw_options(dice), tally, directory)
        self._sandbox = self._runner.sandbox
        # Dice of their own, since how much is changed during a run depends on its calls.
        self._people = People(self._sandbox, random.Random(dice.randrange(10**9)))
        self._deal_dice = random.Random(dice.randrange(10**9))
        self._copy = Copy(self._sandbox, tally)
        self._runs = TapRuns(dice, directory, self._runner, self._copy.load)
        self.settings = self._runs.settings
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
        change_deal(self._people, self._sandbox, self._deal_dice)

    def _until_done(self, way: Settings, *, act: Act | None = None) -> None:
        """Run until a run has ended well and was loaded; note the deals that it had to find.

        Args:
            way: settings that say how to find.
            act: makes a change during a run; None if nothing changes meanwhile.
        """
        self._people.watch()
        self._runs.until_done(way, act=act)
        self._due |= {*self._people.held.values()}


def change_deal(people: People, sandbox: SandboxServer, dice: random.Random) -> None:
    """Change deals or roles, but no leads."""
    acts = [people.open_deal, people.change_deals, people.join, people.leave]
    acts += [people.change_role, people.lose_deal]
    sandbox.advance(dice.randrange(1, HOUR_SECONDS))
    dice.choice(acts)()


def draw_options(dice: random.Random) -> Settings:
    """Return options of an instance that is copied."""
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
