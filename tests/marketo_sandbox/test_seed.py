"""Generated records of an instance."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal

import pytest

from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.options import SandboxOptions

CLOCK = "2026-06-01T12:00:00+00:00"


@pytest.fixture
def seeded():
    """Yield a function that makes instances without a server; close them after the test."""
    made = []

    def seed(**options):
        made.append(Instance(SandboxOptions(**{"clock": CLOCK, **options}), real=lambda: 0.0))
        return made[-1]

    yield seed
    for instance in made:
        instance.close()


def test_the_same_seed_gives_the_same_instance(seeded):
    first, second, other = (seeded(opportunities=300, leads=40, seed=seed) for seed in (4, 4, 5))
    assert first.opportunities() == second.opportunities()
    assert first.roles() == second.roles()
    assert first.opportunities() != other.opportunities()


def test_the_same_seed_gives_the_same_in_another_process():
    code = (
        "from marketo_sandbox.instance.instance import Instance;"
        "from marketo_sandbox.options import SandboxOptions;"
        f"i = Instance(SandboxOptions(opportunities=60, leads=9, clock='{CLOCK}'),"
        " real=lambda: 0.0);"
        "print(i.opportunities(), i.roles()); i.close()"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_seeded_ids_are_predictable_except_for_a_few(seeded):
    ids = seeded(opportunities=300).opportunity_ids()
    plain = [f"OPP-{number:07d}" for number in range(1, 301)]
    odd = {
        number for number, (got, want) in enumerate(zip(ids, plain, strict=True), 1) if got != want
    }
    assert odd == {101, 202}
    assert len(set(ids)) == 300


def test_seeded_field_values_can_be_written_back(seeded, start, caller_of):
    sandbox = start(opportunities=420, leads=10)
    writable = {field.name for field in OPPORTUNITY.fields if field.updateable}
    writable.add("externalOpportunityId")
    records = [
        {name: value for name, value in record.items() if name in writable}
        for record in sandbox.instance.opportunities()
    ]
    caller = caller_of(start())
    for begin in range(0, 420, 30):
        results = caller.sync(records[begin : begin + 30])["result"]
        assert {each["status"] for each in results} == {"created"}


def test_seeded_values_are_irregular(seeded):
    records = seeded(opportunities=1000, leads=100).opportunities()
    names = "".join(record["name"] for record in records)
    amounts = [Decimal(str(record["amount"])) for record in records]
    assert {'"', ",", "ü", "東", "🚀"} <= set(names)
    assert max(amounts) > 10**17
    assert {type(record["probability"]) for record in records} == {int, str}
    assert any("description" not in record for record in records)
    assert any(len(record.get("notes", "").encode()) == 30_000 for record in records)


def test_seeded_roles_are_many_to_many_and_some_are_absent(seeded):
    instance = seeded(opportunities=400, leads=30)
    roles = instance.roles()
    by_opportunity, by_lead = {}, {}
    for role in roles:
        by_opportunity.setdefault(role["externalOpportunityId"], set()).add(role["leadId"])
        by_lead.setdefault(role["leadId"], set()).add(role["externalOpportunityId"])
    assert max(len(leads) for leads in by_opportunity.values()) > 1
    assert max(len(deals) for deals in by_lead.values()) > 1
    assert len(by_opportunity) == 300
    assert set(by_lead) <= set(instance.lead_ids()) == set(range(1, 31))


def test_seeded_records_go_back_years(seeded):
    instance = seeded(opportunities=300)
    now = instance.clock.seconds()
    years = [(now - record["createdAt"]) / 86_400 / 365 for record in instance.opportunities()]
    assert max(years) > 2.5
    assert min(years) >= 0
    assert all(each["createdAt"] <= each["updatedAt"] <= now for each in instance.opportunities())


def test_ids_with_a_comma_cannot_be_queried(seeded, start, caller_of):
    sandbox = start(leads=5)
    sandbox.seed(4, leads=5, comma_ids=2)
    ids = sandbox.instance.opportunity_ids()
    assert [("," in each) for each in ids] == [True, True, False, False]
    assert caller_of(sandbox).find([ids[0]])["result"] == []
    assert {each["externalOpportunityId"] for each in sandbox.instance.roles()} >= set(ids[:2])


def test_seed_adds_to_existing_records(seeded):
    instance = seeded(opportunities=10, leads=4)
    instance.seed(10, leads=8)
    assert instance.counts()["opportunities"] == 20
    assert instance.lead_ids() == list(range(1, 9))


def test_seed_without_leads_adds_no_roles(seeded):
    counts = seeded(opportunities=20, leads=0).counts()
    assert (counts["leads"], counts["roles"], counts["activities"]) == (0, 0, 0)


def test_seed_with_one_lead_gives_it_all_roles(seeded):
    instance = seeded(opportunities=400, leads=1)
    assert {role["leadId"] for role in instance.roles()} == {1}
    assert len({role["marketoGUID"] for role in instance.roles()}) == instance.counts()["roles"]
