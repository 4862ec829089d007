"""The SQL of `docs/history.md`, on what the tap has loaded into PostgreSQL."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime

import pytest

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from tests.manual.pages import blocks, page

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

NUMBERS, HISTORY, LEFT_OUT, IN_STAGES = blocks("sql", page("history.md"))
KEY = "externalOpportunityId"
NAMES = ("Acme", "Acme renewal", "Zażółć", "O'Reilly", "  blank  ")
LEADS = range(1, 15)
BEGIN = "2026-03-01T00:00:00+00:00"


class World:
    """Deals of few names, each with one to five leads, and all that was ever changed of them.

    Args:
        source: an instance with leads.
        seed: of what happens.
    """

    def __init__(self, source, seed):
        self._source = source
        self._draw = random.Random(seed)
        self._values = {}
        self._leads = defaultdict(set)
        self.changes = []

    def create(self, count):
        """Make deals with their roles."""
        for number in range(count):
            key, name = f"D-{number}", self._draw.choice(NAMES)
            self._write(OPPORTUNITY, {KEY: key, "name": name})
            self._values[key] = {"name": name}
            for lead in self._draw.sample(LEADS, self._draw.randrange(1, 6)):
                self._leads[key].add(lead)
                self._write(ROLE, {KEY: key, "leadId": lead, "role": "Buyer"})

    def change(self, count):
        """Change one or two fields of a deal, now and then its name."""
        for _ in range(count):
            self._source.advance(self._draw.randrange(1, 2000))
            values = {
                "stage": self._draw.choice(["Won", "Lost", "Open", None]),
                "nextStep": self._draw.choice(["Call", "Write", None]),
                "name": self._draw.choice(NAMES),
            }
            names = self._draw.choices(["stage", "nextStep", "name"], [6, 6, 1], k=2)
            key = self._draw.choice(sorted(self._values))
            self._change(key, {name: values[name] for name in names})

    def expected(self):
        """The changes of each deal that can be told from others, in their order."""
        found = defaultdict(list)
        for key, *change in self.changes:
            if key not in self.ambiguous():
                found[key].append(tuple(change))
        return found

    def ambiguous(self):
        """The deals all of whose leads have a role in a namesake, too."""
        return {
            key
            for key, values in self._values.items()
            for other, others in self._values.items()
            if other != key
            and others["name"] == values["name"]
            and self._leads[key] <= self._leads[other]
        }

    def _write(self, obj, record):
        (result,) = self._source.instance.sync(obj, {"input": [record]})["result"]
        assert result["status"] == "created"

    def _change(self, key, fields):
        self._source.instance.change([key], fields)
        moment = self._source.instance.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
        for name, value in fields.items():
            if (before := self._values[key].get(name)) != value:
                self.changes.append((key, moment, name, before, value))
        self._values[key] |= fields


@pytest.fixture
def source(marketo_sandbox_factory):
    """An instance with nothing but leads; it takes the place of that of the other tests."""
    sandbox = marketo_sandbox_factory(clock=BEGIN, limits={"enforced": False})
    sandbox.instance.add_leads(LEADS)
    # So that an entry of the log is of the very second that the test takes down.
    sandbox.set_clock(datetime.fromisoformat(BEGIN), frozen=True)
    return sandbox


@pytest.fixture
def into_postgres(pair, third_party, database, everything_selected):
    """The tap by its log, all streams selected, into the schema of queries without one."""
    pair.target_program = third_party("target-postgres")
    pair.target = {**database.settings, "default_target_schema": "public"}
    pair.environment = {"PGTZ": "UTC"}
    pair.tap |= {"start_date": BEGIN, "find_by": "activities"}
    pair.tap_arguments = ("--catalog", everything_selected)
    return pair


def history(database):
    """What the view has of each deal, in the order of the changes."""
    found = defaultdict(list)
    # Of one moment in any order: an entry's changes are of one.
    for row in database.rows(f'select * from deal_history order by "{KEY}", "activityDate"'):
        change = (row["activityDate"], row["field"], row["oldValue"], row["newValue"])
        found[row[KEY]].append(change)
    return found


def in_order(found):
    return {key: sorted(changes, key=lambda each: each[:2]) for key, changes in found.items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_change_of_an_unambiguous_deal_is_there_once(into_postgres, source, database, seed):
    world = World(source, seed)
    world.create(30)
    world.change(150)
    into_postgres.run_well()
    database.execute(NUMBERS + HISTORY)
    # What a later run brings is in the views with it.
    world.change(150)
    into_postgres.run_well()

    ambiguous = world.ambiguous()
    assert 0 < len(ambiguous) < 20
    assert in_order(history(database)) == in_order(world.expected())

    left_out = database.rows(LEFT_OUT.strip().rstrip(";"))
    told = {each[0] for each in world.changes} & ambiguous
    assert left_out[0]["deals"] == len(told)
    assert left_out[0]["changes"] >= sum(each[0] in ambiguous for each in world.changes)


def test_the_stages_of_a_deal_follow_one_another(into_postgres, source, database):
    world = World(source, seed=3)
    world.create(8)
    world.change(60)
    into_postgres.run_well()
    database.execute(NUMBERS + HISTORY)

    stages = defaultdict(list)
    for row in database.rows(IN_STAGES.strip().rstrip(";")):
        stages[row[KEY]].append((row["since"], row["stage"], row["until"]))

    for key, changes in world.expected().items():
        own = [(moment, new) for moment, field, _, new in changes if field == "stage"]
        ends = [moment for moment, _ in own[1:]] + [None]
        assert stages[key] == [(*one, end) for one, end in zip(own, ends, strict=True)], key
