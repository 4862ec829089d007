"""Tests that after any history the warehouse is equal to the instance."""

from __future__ import annotations

import os
import random
import sys
from datetime import UTC, datetime

import pytest

from tests.tap_marketo_opps.conftest import FAST
from tests.tap_marketo_opps.histories.nights import Nights
from tests.tap_marketo_opps.histories.people import KEY, People
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("TAP_TEST_SEED", random.SystemRandom().randrange(10**6)))
COMPARED = {
    OPPORTUNITIES: (KEY, "name", "stage", "externalCompanyId", "updatedAt"),
    ROLES: (KEY, "leadId", "role", "isPrimary", "updatedAt"),
}


@pytest.fixture
def live_through(marketo_sandbox_factory, sync, tmp_path):
    """Run a sweep, daily runs and a reconcile over a random history."""

    def live(number):
        sys.stdout.write(f"TAP_TEST_SEED={SEED}, history {number}\n")
        dice = random.Random(f"{SEED} {number}")
        sandbox = marketo_sandbox_factory(**_options(dice))
        people = People(sandbox, dice)
        nights = Nights(sandbox, people, sync, dice, tmp_path)
        nights.sweep()
        for _ in range(dice.randrange(1, 4)):
            for _ in range(dice.randrange(12)):
                people.act()
            nights.daily()
        nights.daily(at_rest=True)
        nights.reconcile()
        return sandbox, people, nights

    return live


def _options(dice):
    return {
        "opportunities": dice.randrange(10, 80),
        "leads": dice.randrange(10, 40),
        "seed": dice.randrange(1000),
        "activity_scan": dice.choice([5, 600]),
        "activity_delay_seconds": dice.choice([0, 300]),
        "log_deletions": dice.choice([False, True]),
        "short_pages": dice.choice([0, 0.3]),
        "dialects": frozenset(dice.choice([(), ("tokens-only",), ("offsets",)])),
        "limits": FAST,
    }


def _stored(sandbox, stream):
    """Return the instance's records by GUID, as the warehouse should have them."""
    instance = sandbox.instance
    records = instance.roles() if stream == ROLES else instance.opportunities()
    return {each["marketoGUID"]: _compared(_dated(each), stream) for each in records}


def _dated(record):
    moment = datetime.fromtimestamp(record["updatedAt"], UTC)
    return record | {"updatedAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def _compared(record, stream):
    return {name: record.get(name) or None for name in COMPARED[stream]}


def _present(nights, stream):
    """Return the warehouse's rows that are not marked as deleted."""
    rows = nights.loaded[stream].living
    return {guid: _compared(row, stream) for guid, row in rows.items()}


def _assert_nothing_is_lost(sandbox, people, nights):
    deals, roles = (_stored(sandbox, stream) for stream in COMPARED)
    assert _present(nights, ROLES) == roles
    present = _present(nights, OPPORTUNITIES)
    assert present == {guid: deals[guid] for guid in present if guid in deals}
    # Of one that had a role only while no run looked, both is right: see the last test.
    assert nights.due & deals.keys() <= present.keys() <= people.ever
    assert {each["marketoGUID"] for each in nights.by_company()} == deals.keys()


@pytest.mark.parametrize("number", range(12))
def test_after_any_history_nothing_is_lost_and_nothing_too_much(live_through, number):
    _assert_nothing_is_lost(*live_through(number))


@pytest.mark.long
@pytest.mark.parametrize("number", range(12, 212))
def test_after_many_a_history_nothing_is_lost(live_through, number):
    _assert_nothing_is_lost(*live_through(number))


def test_a_role_gone_before_the_run_leads_nowhere_but_a_filter_does(
    marketo_sandbox_factory, sync, tmp_path
):
    dice = random.Random(1)
    sandbox = marketo_sandbox_factory(opportunities=10, leads=10, limits=FAST)
    people = People(sandbox, dice)
    nights = Nights(sandbox, people, sync, dice, tmp_path)
    nights.sweep(at_rest=True)
    before = {each["marketoGUID"] for each in sandbox.instance.opportunities()}
    people.open_deal(leads=1)
    people.leave_last()
    (deal,) = {each["marketoGUID"] for each in sandbox.instance.opportunities()} - before
    nights.daily(at_rest=True)
    assert deal not in nights.loaded[OPPORTUNITIES].rows
    assert deal in {each["marketoGUID"] for each in nights.by_company()}
