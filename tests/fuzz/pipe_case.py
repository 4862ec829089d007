"""A case of both plugins: a tap is piped into a target, with faults and kills of either."""

from __future__ import annotations

import json
import os
import random
import typing as t
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.fuzz.disturbances import draw_faults, draw_kill
from tests.fuzz.quick import Sizes
from tests.fuzz.runs import FoundError, Runner, Tally
from tests.fuzz.tap_case import LEADS_TO_COME, change_deal, draw_options
from tests.fuzz.tap_runs import HOUR_SECONDS, draw_settings
from tests.pipeline import compare
from tests.tap_marketo_opps.histories.people import People

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.runs import Ended

Settings = dict[str, t.Any]

TAP, TARGET = "tap-marketo-opps", "target-marketo-opps"
ROLES = "opportunity_roles"
DIALECTS = ("tokens-only", "api-names", "full-envelope", "role-parent-1013")


class PipeCase:
    """Two instances, the people who change the source, and the pipes that copy it.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.

    Attributes:
        settings: settings of the tap, then of the target.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory, self._tally = dice, directory, tally
        self._source = Runner(draw_options(dice), tally, directory)
        dialects = frozenset(each for each in DIALECTS if dice.random() < 0.2)
        options = {"opportunities": 0, "leads": 0, "dialects": dialects}
        self._copy = Runner({**options, "latency_ms": dice.choice([0, 2])}, tally, directory)
        sandbox = self._source.sandbox
        self._people = People(sandbox, random.Random(dice.randrange(10**9)))
        own_dice = random.Random(dice.randrange(10**9))
        self._act = partial(change_deal, self._people, sandbox, own_dice)
        self._addresses = _addresses(sandbox.instance.leads())
        records = [{"email": each} for each in self._addresses.values()]
        self._copied = dict(
            zip(
                self._copy.sandbox.instance.add_lead_records(records),
                self._addresses.values(),
                strict=True,
            )
        )
        self._tap = {**draw_settings(dice, directory), "lead_fields": ["email"]}
        self._target = self._draw_target()
        self.settings = (self._tap, self._target)
        self._sizes = Sizes(
            batch_records=dice.choice([300, 7, 3]),
            patience_seconds=dice.choice([300.0, 0.0]),
            keys=dice.choice([300, 9, 4]),
            pages=dice.choice([20, 4, 1]),
        )
        self._state: t.Any = None

    def play(self) -> None:
        """Copy all leads' deals, then what changes; compare the copy with the source."""
        most = max(self._source.sandbox.instance.lead_ids()) + LEADS_TO_COME
        self._until_done({"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": most})
        for _ in range(self._dice.randrange(3)):
            for _ in range(self._dice.randrange(8)):
                self._act()
            self._until_done({"find_by": "activities"})
        self._until_done({"find_by": "activities"}, may_change=False)
        self._compare()

    def close(self) -> None:
        """Stop both instances."""
        self._source.close()
        self._copy.close()

    def _draw_target(self) -> Settings:
        dice = self._dice
        files = {"receipts_path": "receipts.jsonl", "limits_path": "limits"}
        return {
            "stream_objects": {ROLES: "opportunity_roles"},
            "lead_lookup_field": "email",
            "max_rejects": -1,
            "skip_unchanged": dice.random() < 0.3,
            "merge_versions": dice.random() < 0.6,
            "max_concurrent_calls": dice.randint(1, 6),
            "calls_per_20_seconds": 100,
            "max_retry_seconds": dice.choice([0, 2]),
            **{
                name: str(self._directory / path)
                for name, path in files.items()
                if dice.random() < 0.4
            },
        }

    def _until_done(self, way: Settings, *, may_change: bool = True) -> None:
        """Run both until both have ended well, at the end undisturbed."""
        self._source.sandbox.advance(self._dice.randrange(HOUR_SECONDS, 30 * HOUR_SECONDS))
        for _ in range(self._dice.choice([0, 1, 2, 2])):
            if self._attempt(way, is_disturbed=True, may_change=may_change):
                return
            self._source.sandbox.advance(self._dice.randrange(60, 12 * HOUR_SECONDS))
        if not self._attempt(way, is_disturbed=False, may_change=may_change):
            raise FoundError(f"an undisturbed pipe by {way} has not ended well")

    def _attempt(self, way: Settings, *, is_disturbed: bool, may_change: bool) -> bool:
        """Run both once, from the last STATE of the target; return whether both ended well."""
        dice = self._dice
        killed = dice.choice([TAP, TARGET]) if is_disturbed else None
        kills = {each: draw_kill(dice) if each == killed else None for each in (TAP, TARGET)}
        for runner, writes in ((self._source, False), (self._copy, True)) if is_disturbed else ():
            for rule in draw_faults(dice, writes=writes):
                runner.sandbox.fault(**rule)
        moments = dice.sample(range(1, 60), dice.randrange(4)) if may_change else []
        arguments = []
        if self._state is not None:
            path = self._directory / "state.json"
            path.write_text(json.dumps(self._state))
            arguments = ["--state", str(path)]
        reading, writing = os.pipe()
        common = {"sizes": self._sizes, "may_fail": is_disturbed}
        with ThreadPoolExecutor(2) as pool:
            target = pool.submit(
                self._copy.run,
                TARGET,
                self._target,
                kill=kills[TARGET],
                pipes={"stdin": reading},
                **common,
            )
            tap = pool.submit(
                self._source.run,
                TAP,
                {**self._tap, **way},
                *arguments,
                kill=kills[TAP],
                acts=dict.fromkeys(moments, self._act),
                pipes={"stdout": writing},
                **common,
            )
        return self._is_done(tap.result(), target.result())

    def _is_done(self, tap: Ended, target: Ended) -> bool:
        self._source.sandbox.clear_faults()
        self._copy.sandbox.clear_faults()
        states = target.stdout.split("\n")[:-1]
        if states:
            self._state = json.loads(states[-1])
        return tap.code == target.code == 0 and "Without roles" not in tap.stderr

    def _compare(self) -> None:
        source, copy = self._source.sandbox, self._copy.sandbox
        due = compare.with_a_role(source)
        held = {key: each for key, each in compare.held(copy).items() if key in due}
        roles = self._roles(source.instance.roles(), self._addresses)
        copied = self._roles(copy.instance.roles(), self._copied)
        wrong = compare.differences(due, held)
        wrong += [f"{key} differs" for key, each in roles.items() if copied.get(key) != each]
        self._tally.records += len(due) + len(roles)
        self._tally.lost += len(wrong)
        if wrong:
            raise FoundError(f"{len(wrong)} records of the pipe: {wrong[:4]}")

    def _roles(
        self, records: list[dict[str, t.Any]], addresses: dict[int, str]
    ) -> dict[tuple[str, ...], bool]:
        """Return whether each role is primary, by its deal, the lead's address, and its name."""
        return {
            (each[compare.KEY], addresses[each["leadId"]], each["role"]): bool(
                each.get("isPrimary")
            )
            for each in records
            if each["leadId"] in addresses
        }


def _addresses(leads: list[dict[str, t.Any]]) -> dict[int, str]:
    """Return the addresses of the leads that alone have theirs, by the leads' ids."""
    all_of_them = [each.get("email") for each in leads]
    return {
        each["id"]: each["email"]
        for each in leads
        if each.get("email") and all_of_them.count(each["email"]) == 1
    }
