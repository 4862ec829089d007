"""Replay of what Adobe prints for leads, lists, activities, identity, usage and errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tests.marketo_sandbox.documented import *  # noqa: F403 - fixtures
from tests.marketo_sandbox.documented import CHAIRS, buyer, formed, results

LINCOLN = {"lastName": "Lincoln", "email": "abe@usa.gov", "firstName": "Abraham"}
WASHINGTON = {"lastName": "Washington", "email": "george@usa.gov", "firstName": "George"}
DATES = {"createdAt": "<createdAt>", "updatedAt": "<updatedAt>"}


@pytest.fixture
def presidents(sandbox):
    sandbox.instance.add_lead_records([{"id": 318581, **LINCOLN}, {"id": 318592, **WASHINGTON}])


def test_query_leads_by_id(api, presidents):
    answer = api.get("/rest/v1/leads.json", filterType="id", filterValues="318581,318592")
    assert formed(answer) == results(
        {"id": 318581, **LINCOLN, **DATES}, {"id": 318592, **WASHINGTON, **DATES}
    )


def test_query_missing_leads(api):
    answer = api.get("/rest/v1/leads.json", filterType="id", filterValues="1")
    assert formed(answer) == results()


def test_create_leads(api, sandbox):
    sandbox.instance.add_leads([49])
    people = [{"email": f"kjashaedd-{n}@klooblept.com"} for n in (1, 2, 3)]
    body = {"action": "createOnly", "lookupField": "email", "input": people}
    assert formed(api.post("/rest/v1/leads.json", body)) == results(
        *({"id": number, "status": "created"} for number in (50, 51, 52))
    )


def test_add_leads_to_a_list(api, sandbox, presidents):
    sandbox.instance.add_to_list(1, [])
    answer = api.send("POST", "/rest/v1/lists/1/leads.json?id=318581&id=318595").json()
    not_found = {"code": "1004", "message": "Lead not found"}
    assert formed(answer) == results(
        {"id": 318581, "status": "added"},
        {"id": 318595, "status": "skipped", "reasons": [not_found]},
    )


def test_paging_token(api):
    moment = quote("2014-10-06T13:22:17-08:00")
    answer = api.send("GET", f"/rest/v1/activities/pagingtoken.json?sinceDatetime={moment}").json()
    assert formed(answer) == {
        "requestId": "<requestId>",
        "success": True,
        "nextPageToken": "<nextPageToken>",
    }


def test_activities(with_leads):
    with_leads.sync_roles([buyer(456783)])
    token = with_leads.get(
        "/rest/v1/activities/pagingtoken.json", sinceDatetime="2016-09-15T10:53:00Z"
    )["nextPageToken"]
    answer = with_leads.send(
        "GET",
        f"/rest/v1/activities.json?nextPageToken={token}&activityTypeIds=1&activityTypeIds=34",
    ).json()
    (activity,) = answer.pop("result")
    assert formed(answer) == {
        "requestId": "<requestId>",
        "success": True,
        "nextPageToken": "<nextPageToken>",
        "moreResult": False,
    }
    types = {name: type(value) for name, value in activity.items()}
    assert types == {
        "id": int,
        "marketoGUID": str,
        "leadId": int,
        "activityDate": str,
        "activityTypeId": int,
        "primaryAttributeValueId": int,
        "primaryAttributeValue": str,
        "attributes": list,
    }


def test_activity_types(api):
    for told in api.get("/rest/v1/activities/types.json")["result"]:
        assert set(told) == {"id", "name", "description", "primaryAttribute", "attributes"}
        for attribute in (told["primaryAttribute"], *told["attributes"]):
            assert set(attribute) == {"name", "dataType"}


def test_identity(api, sandbox):
    sandbox.set_clock(datetime(2026, 1, 1, tzinfo=UTC), frozen=True)
    sandbox.instance.expire_tokens()
    answer = formed(api.token())
    assert answer == {
        "access_token": "<access_token>",
        "token_type": "bearer",
        "expires_in": 3600,
        "scope": "opportunities@sandbox.example",
    }


def test_usage_and_errors_of_a_day(api):
    api.get("/rest/v1/opportunities.json")
    (usage,) = api.get("/rest/v1/stats/usage.json")["result"]
    (errors,) = api.get("/rest/v1/stats/errors.json")["result"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", usage["date"])
    assert usage | {"date": ""} == {
        "date": "",
        "total": 2,
        "users": [{"userId": "opportunities@sandbox.example", "count": 2}],
    }
    assert errors | {"date": ""} == {
        "date": "",
        "total": 1,
        "errors": [{"errorCode": "1002", "count": 1}],
    }


def test_a_response_level_error(api):
    api.session.headers["Authorization"] = "Bearer nobody"
    assert formed(api.get("/rest/v1/stats/usage.json")) == {
        "requestId": "<requestId>",
        "success": False,
        "errors": [{"code": "601", "message": "Access token invalid"}],
    }


def test_a_record_level_error(with_chairs):
    answer = with_chairs.sync([CHAIRS], action="createOnly")
    assert formed(answer) == results(
        {
            "seq": 0,
            "status": "skipped",
            "reasons": [{"code": "1005", "message": "Opportunity already exists"}],
        }
    )
