"""A case of the target: a random input is delivered, with faults, kills and restarts."""

from __future__ import annotations

import typing as t

from tests.fuzz.disturbances import TIMEOUT_SECONDS, draw_faults, draw_kill
from tests.fuzz.quick import Sizes
from tests.fuzz.runs import Ended, FoundError, Runner, Tally
from tests.fuzz.target_guids import Guids
from tests.fuzz.target_input import (
    DEALS,
    GUID,
    KEY,
    KNOWN_PERSON,
    OBJECTS,
    ROLES,
    draw_input,
    draw_leads,
    draw_shape,
    to_lines,
)
from tests.fuzz.target_judge import Judge
from tests.fuzz.target_model import REJECTED, Rules
from tests.fuzz.witness import read_lines

if t.TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.fuzz.disturbances import Kill
    from tests.fuzz.witness import Receipt

Settings = dict[str, t.Any]

BY_GUID_ODDS = 0.15
SLOW_ODDS = 0.1
MAPPED_BY_GUID = {DEALS: {"deal_id": GUID, "Betreff": "name"}, ROLES: {"deal_id": GUID}}
DIALECTS = ("tokens-only", "api-names", "full-envelope", "nameless-inserts", "role-parent-1013")


class TargetCase:
    """A random input, an instance, and the runs that deliver the one to the other.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.

    Attributes:
        settings: settings of the target.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory = dice, directory
        self._disturbed_attempts = dice.choice([0, 1, 1, 2, 2, 4])
        is_by_guid = dice.random() < BY_GUID_ODDS
        options = _draw_options(dice, is_disturbed=self._disturbed_attempts > 0)
        if is_by_guid:
            options |= {"opportunities": 40, "leads": 12, "exact_keys": False}
        self._runner = Runner(options, tally, directory)
        instance = self._runner.sandbox.instance
        leads = draw_leads(dice)
        instance.add_lead_records(leads)
        stored, roles = instance.opportunity_ids(), instance.roles() if is_by_guid else []
        shape = draw_shape(dice, leads, stored, roles)
        self._messages = self._sent = draw_input(dice, shape)
        guids = Guids({DEALS: instance.opportunities(), ROLES: roles}) if is_by_guid else None
        if guids:
            self._sent = guids.messages(self._messages)
        self.settings = _draw_settings(dice, directory, by_address=bool(shape.addresses))
        if is_by_guid:
            self.settings |= {"action": "updateOnly", "dedupe_by": "idField"}
            if self.settings["field_map"]:
                self.settings["field_map"] = MAPPED_BY_GUID
        self._sizes = Sizes(
            batch_records=dice.choice([300, 300, 2, 3, 7, 20]),
            patience_seconds=dice.choice([300.0, 300.0, 0.0, 0.05]),
        )
        rules = Rules(
            {lead["id"]: lead for lead in leads + instance.leads()},
            self.settings,
            exact_keys=options["exact_keys"],
            nameless_inserts="nameless-inserts" in options["dialects"],
            knows_persons=options["sales_persons"] is not None,
            keeps_used=options["refuse_delete_in_use"],
            guids=guids,
        )
        self._judge = Judge(rules, self._messages, self._sent, self._runner.sandbox, tally)
        self._states = [0]
        self._offsets = {"receipts": 0, "rejects": 0}
        self._attempts = 0

    def play(self) -> None:
        """Deliver the input in several runs, the last of them undisturbed; judge each of them."""
        if self._dice.random() < 0.1:
            settings = {**self.settings, "dry_run": True}
            self._judge.check_dry_run(self._run(0, settings, kill=None, may_fail=True))
            self._read("rejects")
        for _ in range(self._disturbed_attempts):
            if self._attempt(is_disturbed=True) and self._dice.random() < 0.8:
                break
        self.settings["max_rejects"] = -1
        if not self._attempt(is_disturbed=False):
            raise FoundError("an undisturbed run has not delivered its input")
        self._judge.compare(len(self._messages), is_repeated=self._attempts > 1)

    def close(self) -> None:
        """Stop the instance."""
        self._runner.close()

    def _attempt(self, *, is_disturbed: bool) -> bool:
        """Run once, from the last STATE or an earlier one; return whether it delivered all."""
        self._attempts += 1
        begin = self._draw_begin()
        kill = draw_kill(self._dice) if is_disturbed else None
        refusals = "receipts_path" in self.settings
        is_slow = is_disturbed and self._dice.random() < SLOW_ODDS
        faults = draw_faults(self._dice, writes=True, refusals=refusals, is_slow=is_slow)
        for rule in faults if is_disturbed else ():
            self._runner.sandbox.fault(**rule)
        self._sizes = self._sizes._replace(timeout_seconds=TIMEOUT_SECONDS if is_slow else None)
        expected = self._judge.expect(begin)
        most, rejects = self.settings["max_rejects"], list(expected.values()).count(REJECTED)
        is_over = -1 < most < rejects
        ended = self._run(begin, self.settings, kill=kill, may_fail=is_over)
        self._runner.sandbox.clear_faults()
        if ended.code == 0 and ended.is_undisturbed and is_over:
            raise FoundError(f"exit status 0 with {rejects} rejects, max_rejects {most}")
        self._judge_run(ended, begin, expected)
        return ended.code == 0

    def _draw_begin(self) -> int:
        luck = self._dice.random()
        if luck < 0.1:
            return 0
        return self._dice.choice(self._states) if luck < 0.3 else self._states[-1]

    def _run(self, begin: int, settings: Settings, *, kill: Kill | None, may_fail: bool) -> Ended:
        return self._runner.run(
            "target-marketo-opps",
            settings,
            stdin=to_lines(self._sent, begin, settings["field_map"]),
            kill=kill,
            may_fail=may_fail,
            sizes=self._sizes,
        )

    def _judge_run(self, ended: Ended, begin: int, expected: dict[int, str]) -> None:
        states = self._judge.check_states(ended, begin)
        # What was sent again must be sent to its end: it may have set back newer values.
        self._states = [each for each in self._states if each <= begin] + states
        end = states[-1] if states else begin
        if "receipts_path" in self.settings:
            receipts = self._read("receipts")
            self._judge.excuse(receipts, ended.refused)
            self._judge.check_receipts(receipts, begin, end)
            if ended.code == 0:
                self._judge.check_outcomes(
                    receipts,
                    expected,
                    is_coarse=bool(ended.faults) or self.settings["skip_unchanged"],
                    is_lossy=bool(ended.faults) and self.settings["action"] == "createOnly",
                )
        if "rejects_path" in self.settings:
            rejects = self._read("rejects")
            self._judge.check_rejects(rejects)
            due = list(expected.values()).count(REJECTED)
            # After a lost response, what createOnly has created may be rejected as existing.
            is_lossy = bool(ended.faults) and self.settings["action"] == "createOnly"
            is_counted = ended.code == 0 and not is_lossy and self._judge.knows_all
            if is_counted and len(rejects) != due:
                raise FoundError(f"{len(rejects)} lines in the rejects file instead of {due}")
        self._judge.compare(end, is_repeated=True)

    def _read(self, name: str) -> list[Receipt]:
        """Return the lines that the last run has added to a file."""
        path = self._directory / f"{name}.jsonl"
        lines, self._offsets[name] = read_lines(path, self._offsets[name])
        return lines


def _draw_options(dice: random.Random, *, is_disturbed: bool) -> Settings:
    return {
        "opportunities": dice.choice([0, 0, 12, 40]),
        "leads": dice.choice([2, 12]),
        "seed": dice.randrange(1000),
        "latency_ms": dice.choice([0, 2, 10]),
        "short_pages": dice.choice([0, 0.3]),
        "exact_keys": dice.random() < 0.2,
        "sales_persons": frozenset({KNOWN_PERSON}) if dice.random() < 0.4 else None,
        # Whether a deal has roles may have changed before a run is repeated.
        "refuse_delete_in_use": not is_disturbed and dice.random() < 0.5,
        "dialects": frozenset(each for each in DIALECTS if dice.random() < 0.2),
    }


def _draw_settings(dice: random.Random, directory: Path, *, by_address: bool) -> Settings:
    switches = {
        name: dice.random() < odds
        for name, odds in (
            ("hard_delete", 0.6),
            ("skip_unchanged", 0.3),
            ("truncate_strings", 0.2),
            ("merge_versions", 0.6),
        )
    }
    files = {
        f"{name}_path": str(directory / f"{name}.jsonl")
        for name, odds in (("receipts", 0.8), ("rejects", 0.5), ("report", 0.1), ("limits", 0.3))
        if dice.random() < odds
    }
    field_map = {DEALS: {"deal_id": KEY, "Betreff": "name"}, ROLES: {"deal_id": KEY}}
    how_many = dice.choice(["reject", "oldest", "newest"])
    return {
        "stream_objects": OBJECTS,
        "action": dice.choice(["createOrUpdate"] * 4 + ["createOnly", "updateOnly"]),
        "nulls": dice.choice(["send", "send", "skip"]),
        "max_concurrent_calls": dice.randint(1, 6),
        "calls_per_20_seconds": 100,
        "max_retry_seconds": dice.choice([0, 2, 5]),
        "max_rejects": dice.choice([-1, -1, 0, 3]),
        "field_map": dice.choice([{}, {}, field_map]),
        **switches,
        **files,
        **({"lead_lookup_field": "email", "lead_lookup_many": how_many} if by_address else {}),
    }
