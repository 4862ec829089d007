"""Options of the activity log: delay, retention, and what is logged."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.marketo_sandbox.activities import *  # noqa: F403 - fixtures
from tests.marketo_sandbox.activities import PATH, attributes, role, token


def test_a_delayed_activity_appears_behind_the_read_position(api, sandbox):
    sandbox.instance.options.activity_delay_seconds = 60
    api.sync_roles([role(1)])
    sandbox.instance.options.activity_delay_seconds = 0
    sandbox.advance(30)
    api.sync_roles([role(2)])
    answer = api.get(PATH, nextPageToken=token(api), activityTypeIds="34")
    assert [each["leadId"] for each in answer["result"]] == [2]
    sandbox.advance(31)
    onward = api.get(PATH, nextPageToken=answer["nextPageToken"], activityTypeIds="34")
    anew = api.get(PATH, nextPageToken=token(api), activityTypeIds="34")
    assert "result" not in onward
    assert [each["leadId"] for each in anew["result"]] == [1, 2]


@pytest.mark.parametrize(
    ("days", "left"),
    [(14, [34, 36, 37]), (15, [34, 36]), (90, [34, 36]), (91, [34]), (760, [34]), (761, [])],
)
def test_each_activity_type_has_its_own_retention(api, sandbox, days, left):
    api.sync_roles([role(1)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    sandbox.instance.delete_leads([9])
    sandbox.advance(days * 86_400)
    api.authenticate()
    assert [each["activityTypeId"] for each in api.log(types="34,36,37")] == left


def test_activity_retention_days_overrides_the_retention(start, caller_of):
    sandbox = start(activity_retention_days=5, opportunities=300, leads=40, seed=1)
    api = caller_of(sandbox)
    assert len(api.log(types="1,34,36")) == sandbox.instance.counts()["activities"]
    first = min(each["activityDate"] for each in api.log())
    limit = sandbox.instance.clock.now() - timedelta(days=5, seconds=5)
    assert datetime.fromisoformat(first) > limit
    sandbox.advance(6 * 86_400)
    api.authenticate()
    assert api.log() == []


def test_log_unchanged_false_skips_updates_without_changes(api, sandbox):
    api.sync_roles([role(1)])
    sandbox.instance.options.log_unchanged = False
    deal = {"externalOpportunityId": "a", "stage": "Won"}
    api.sync([deal])
    api.sync([deal])
    api.sync_roles([role(1)])
    assert len(api.log(types="36")) == 1


def test_log_deletions_false_skips_deleted_opportunities(api, sandbox):
    api.sync_roles([role(1), role(2)])
    sandbox.instance.options.log_deletions = False
    api.delete([role(2)], "/rest/v1/opportunities/roles/delete.json")
    api.delete([{"externalOpportunityId": "a"}])
    assert [each["leadId"] for each in api.log(types="35")] == [2]


def test_a_seeded_instance_has_activities_within_retention(start, caller_of):
    sandbox = start(opportunities=300, leads=40, seed=1)
    activities = caller_of(sandbox).log()
    names = {
        each["externalOpportunityId"]: each["name"] for each in sandbox.instance.opportunities()
    }
    roles = {
        (each["leadId"], names[each["externalOpportunityId"]], each["role"], each["isPrimary"])
        for each in sandbox.instance.roles()
    }
    assert {each["activityTypeId"] for each in activities} == {34, 36}
    for each in activities:
        told = attributes(each)
        name = each["primaryAttributeValue"]
        assert (each["leadId"], name, told["Role"], told["Is Primary"]) in roles
        assert ("Data Value Changes" in told) == (each["activityTypeId"] == 36)
    dates = [each["activityDate"][:19] for each in activities]
    assert dates == sorted(dates)
