"""Tests that a daily run reads the roles of merged leads."""

from __future__ import annotations

import random

import pytest

from marketo_sandbox.instance.describe import ROLE
from tests.tap_marketo_opps.conftest import FAST

DEALS, ROLES = "opportunities", "opportunity_roles"
# Longer than what a run emits of the past.
LONG = 40 * 86_400


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=60, leads=30, seed=5, limits=FAST)


class Warehouse:
    """What a loader has after a sweep and some daily runs, by marketoGUID.

    Args:
        sandbox: the instance.
        sync: runs the tap.
        catalog: of the streams that are loaded.
    """

    def __init__(self, sandbox, sync, catalog):
        self._sandbox, self._sync, self._catalog = sandbox, sync, catalog
        self._state = None
        self.rows = {DEALS: {}, ROLES: {}}

    def load(self, *, is_sweep=False):
        """Run the tap once, the first time always as a sweep; return its output."""
        config = {**self._sandbox.credentials, "find_by": "activities"}
        if is_sweep or self._state is None:
            config |= {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 30}
        output = self._sync(config, catalog=self._catalog, state=self._state)
        self._state = output.state
        for stream, rows in self.rows.items():
            rows |= {each["marketoGUID"]: each for each in output.records(stream)}
        self._sandbox.advance(LONG)
        return output

    def leads(self):
        """Return the lead of each role of the instance, as in the warehouse."""
        return {guid: self.rows[ROLES][guid]["leadId"] for guid in _leads(self._sandbox)}


def _leads(sandbox):
    return {role["marketoGUID"]: role["leadId"] for role in sandbox.instance.roles()}


def _roles_of(sandbox, *leads):
    return [role for role in sandbox.instance.roles() if role["leadId"] in leads]


def _two_with_roles(sandbox):
    return sorted({role["leadId"] for role in sandbox.instance.roles()})[:2]


@pytest.mark.parametrize("anew", [False, True])
def test_moved_roles_come_under_their_new_lead(sandbox, catalog_of, sync, anew):
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, DEALS, ROLES))
    warehouse.load()
    kept, gone = _two_with_roles(sandbox)
    deals = {role["externalOpportunityId"] for role in _roles_of(sandbox, kept, gone)}
    sandbox.instance.merge_leads(kept, [gone], anew=anew)
    sandbox.advance(LONG)
    output = warehouse.load()
    assert warehouse.leads() == _leads(sandbox)
    assert gone not in warehouse.leads().values()
    assert {*output.ids(key="externalOpportunityId")} == deals
    # The entry lies before what the next run reads again of the log.
    assert warehouse.load().records(ROLES) == []


@pytest.mark.parametrize("stream", [DEALS, ROLES])
@pytest.mark.parametrize("anew", [False, True])
def test_each_stream_alone_has_all_of_the_kept_lead(sandbox, catalog_of, sync, stream, anew):
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, stream))
    warehouse.load()
    kept, gone = _two_with_roles(sandbox)
    sandbox.instance.merge_leads(kept, [gone], anew=anew)
    output = warehouse.load()
    whole = {role["externalOpportunityId"] for role in _roles_of(sandbox, kept)}
    assert {*output.ids(stream, key="externalOpportunityId")} == whole


def test_a_lead_merged_into_one_merged_itself_ends_at_the_last(sandbox, catalog_of, sync):
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, DEALS, ROLES))
    warehouse.load()
    first, second = _two_with_roles(sandbox)
    last = max(sandbox.instance.lead_ids())
    sandbox.instance.merge_leads(second, [first])
    sandbox.instance.merge_leads(last, [second])
    warehouse.load()
    assert warehouse.leads() == _leads(sandbox)
    assert {first, second}.isdisjoint(warehouse.leads().values())


def test_a_role_that_both_leads_had_is_there_once(sandbox, catalog_of, sync):
    kept, gone = _two_with_roles(sandbox)
    (role, *_) = _roles_of(sandbox, gone)
    same = {name: role[name] for name in ("externalOpportunityId", "role")} | {"leadId": kept}
    sandbox.instance.sync(ROLE, {"input": [same]})
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, DEALS, ROLES))
    warehouse.load()
    sandbox.instance.merge_leads(kept, [gone])
    warehouse.load()
    assert warehouse.leads() == _leads(sandbox)


def test_a_merge_between_two_sweeps_is_found_by_the_log_run(sandbox, catalog_of, sync):
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, DEALS, ROLES))
    warehouse.load()
    kept, gone = _two_with_roles(sandbox)
    sandbox.instance.merge_leads(kept, [gone])
    sandbox.advance(LONG)
    warehouse.load(is_sweep=True)
    assert gone in warehouse.leads().values()
    warehouse.load()
    assert warehouse.leads() == _leads(sandbox)


def test_a_merge_that_shows_late_is_found_in_the_overlap(marketo_sandbox_factory, catalog_of, sync):
    sandbox = marketo_sandbox_factory(opportunities=60, leads=30, seed=5, limits=FAST)
    catalog = catalog_of(sandbox, DEALS, ROLES)
    warehouse = Warehouse(sandbox, sync, catalog)
    warehouse.load()
    sandbox.instance.options.activity_delay_seconds = LONG + 300
    kept, gone = _two_with_roles(sandbox)
    sandbox.instance.merge_leads(kept, [gone])
    assert gone not in {role["leadId"] for role in warehouse.load().records(ROLES)}
    sandbox.advance(300)
    warehouse.load()
    assert warehouse.leads() == _leads(sandbox)


@pytest.mark.parametrize("seed", range(3))
def test_of_any_merges_the_warehouse_has_the_outcome(sandbox, catalog_of, sync, seed):
    warehouse = Warehouse(sandbox, sync, catalog_of(sandbox, DEALS, ROLES))
    warehouse.load()
    draw = random.Random(seed)
    for _ in range(3):
        for _ in range(draw.randrange(4)):
            kept, *gone = draw.sample(sandbox.instance.lead_ids(), draw.randrange(2, 4))
            sandbox.instance.merge_leads(kept, gone, anew=draw.choice([False, True]))
            sandbox.advance(draw.randrange(1, 100_000))
        warehouse.load()
    assert warehouse.leads() == _leads(sandbox)
