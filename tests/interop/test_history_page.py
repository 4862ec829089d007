"""The SQL of `docs/history.md`, run on data that the tap has loaded into PostgreSQL."""

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
    """Opportunities that share a few names, with one to five leads each, and all their changes.

    Args:
        source: an instance with leads.
        seed: random seed of opportunities and changes.
    """

    def __init__(self, source, seed):
        self._source = source
        self._draw = random.Random(seed)
        self._values = {}
        self._leads = defaultdict(set)
        self.changes = []

    def create(self, count):
        """Create opportunities with roles."""
        for number in range(count):
            key, name = f"D-{number}", self._draw.choice(NAMES)
            self._write(OPPORTUNITY, {KEY: key, "name": name})
            self._values[key] = {"name": name}
            for lead in self._draw.sample(LEADS, self._draw.randrange(1, 6)):
                self._leads[key].add(lead)
                self._write(ROLE, {KEY: key, "leadId": lead, "role": "Buyer"})

    def change(self, count):
        """Make a number of changes, each of one or two fields of a random opportunity."""
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
        """Return the changes of each opportunity that is not ambiguous, in order."""
        found = defaultdict(list)
        for key, *change in self.changes:
            if key not in self.ambiguous():
                found[key].append(tuple(change))
        return found

    def ambiguous(self):
        """Return opportunities whose leads all have a role in another opportunity of that name."""
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
    """Return an instance with leads only, instead of the source of the other tests."""
    sandbox = marketo_sandbox_factory(clock=BEGIN, limits={"enforced": False})
    sandbox.instance.add_leads(LEADS)
    # A frozen clock dates each activity with the same second as the test's record of the change.
    sandbox.set_clock(datetime.fromisoformat(BEGIN), frozen=True)
    return sandbox


@pytest.fixture
def into_postgres(pair, third_party, database, everything_selected):
    """Return a pair that loads all streams by the activity log into the schema `public`."""
    pair.target_program = third_party("target-postgres")
    pair.target = {**database.settings, "default_target_schema": "public"}
    pair.environment = {"PGTZ": "UTC"}
    pair.tap |= {"start_date": BEGIN, "find_by": "activities"}
    pair.tap_arguments = ("--catalog", everything_selected)
    return pair


def history(database):
    """Return the changes of each opportunity in the view, in order of their dates."""
    found = defaultdict(list)
    # Changes with the same date come in any order, because one activity has several.
    for row in database.rows(f'select * from deal_history order by "{KEY}", "activityDate"'):
        change = (row["activityDate"], row["field"], row["oldValue"], row["newValue"])
        found[row[KEY]].append(change)
    return found


def in_order(found):
    return {key: sorted(changes, key=lambda each: each[:2]) for key, changes in found.items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_history_has_each_unambiguous_change_once(into_postgres, source, database, seed):
    world = World(source, seed)
    world.create(30)
    world.change(150)
    into_postgres.run_well()
    database.execute(NUMBERS + HISTORY)
    # The views include records that a later run loads.
    world.change(150)
    into_postgres.run_well()

    ambiguous = world.ambiguous()
    assert 0 < len(ambiguous) < 20
    assert in_order(history(database)) == in_order(world.expected())

    left_out = database.rows(LEFT_OUT.strip().rstrip(";"))
    told = {each[0] for each in world.changes} & ambiguous
    assert left_out[0]["deals"] == len(told)
    assert left_out[0]["changes"] >= sum(each[0] in ambiguous for each in world.changes)


def test_the_stages_of_a_deal_are_consecutive(into_postgres, source, database):
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
