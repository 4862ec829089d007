"""What a run needs of the instance, which `--test` checks."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.activity_log import ACTIVITIES, CHANGES, ROLE_CHANGES
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.needs import needs_of

FIELDS = "opportunity_fields"
RECONCILE = {"find_by": "reconcile", "reconcile_opportunities_path": "o.csv"}


def needs(config, *streams, by_catalog=False):
    return needs_of(config, streams, by_catalog=by_catalog)


@pytest.mark.parametrize(
    ("config", "streams", "reads"),
    [
        ({}, [OPPORTUNITIES], "roles log"),
        ({}, [ROLES], "roles log"),
        ({}, [FIELDS], ""),
        ({}, [CHANGES], "log"),
        ({"filter_values": ["a"]}, [OPPORTUNITIES], ""),
        ({"filter_values": ["a"]}, [ROLES], "roles"),
        ({"filter_values": ["a"]}, [OPPORTUNITIES, ROLE_CHANGES], "log"),
        ({"find_by": "lead_ids"}, [OPPORTUNITIES], "roles"),
        ({"find_by": "lead_ids"}, [ACTIVITIES], "log"),
        ({"find_by": "lead_list"}, [OPPORTUNITIES, FIELDS], "roles"),
        (RECONCILE, [OPPORTUNITIES, ROLES], ""),
    ],
)
def test_roles_and_the_log_are_read_for_streams_or_to_find(config, streams, reads):
    found = needs(config, *streams)
    assert (found.roles, found.log) == ("roles" in reads, "log" in reads)


def test_the_pair_and_the_streams_of_the_log_are_told_apart():
    found = needs({}, ROLE_CHANGES, ROLES, FIELDS, OPPORTUNITIES, ACTIVITIES)
    assert found.pair == [OPPORTUNITIES, ROLES]
    assert found.of_log == [ACTIVITIES, ROLE_CHANGES]
    assert needs({}, FIELDS).pair == []


def test_streams_without_a_file_are_not_needed():
    assert set(needs(RECONCILE, OPPORTUNITIES, ROLES, FIELDS).streams) == {OPPORTUNITIES}


@pytest.mark.parametrize(
    ("config", "streams", "lead_fields"),
    [
        ({"lead_fields": ["email"]}, [ROLES], True),
        ({"lead_fields": ["email"]}, [OPPORTUNITIES], False),
        ({"lead_fields": []}, [ROLES], False),
        ({}, [ROLES], False),
    ],
)
def test_lead_fields_are_needed_for_roles_only(config, streams, lead_fields):
    assert needs(config, *streams).lead_fields is lead_fields


def test_a_list_is_needed_only_if_leads_are_found_by_it():
    assert needs({"find_by": "lead_list", "lead_list_id": 7}, ROLES).lead_list == 7
    assert needs({"find_by": "lead_ids", "lead_list_id": 7}, ROLES).lead_list is None


@pytest.mark.parametrize("by_catalog", [True, False])
def test_a_catalog_is_told(by_catalog):
    assert needs({}, ROLES, by_catalog=by_catalog).by_catalog is by_catalog
