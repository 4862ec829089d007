"""Helpers for tests of the activity log: an instance with a frozen clock, paging tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

PATH = "/rest/v1/activities.json"
TOKEN = "/rest/v1/activities/pagingtoken.json"
NAMES = {
    32: "Merge Leads",
    34: "Add to Opportunity",
    35: "Remove from Opportunity",
    36: "Update Opportunity",
    37: "Delete Lead",
}
NOON = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


def told(activities):
    return [
        (NAMES[each["activityTypeId"]], each["leadId"], each["primaryAttributeValue"])
        for each in activities
    ]


def attributes(activity):
    return {each["name"]: each["value"] for each in activity["attributes"]}


def token(api, moment=NOON - timedelta(seconds=1)):
    return api.get(TOKEN, sinceDatetime=moment.isoformat())["nextPageToken"]


@pytest.fixture
def sandbox(start):
    return start(clock=NOON.isoformat(), activity_scan=5)


@pytest.fixture
def api(sandbox, caller_of):
    sandbox.set_clock(NOON, frozen=True)
    caller = caller_of(sandbox)
    sandbox.instance.add_leads(range(1, 10))
    caller.sync([{"externalOpportunityId": each, "name": f"deal {each}"} for each in ("a", "b")])
    return caller


def role(lead, external_id="a"):
    return {"externalOpportunityId": external_id, "leadId": lead, "role": "Captain"}
