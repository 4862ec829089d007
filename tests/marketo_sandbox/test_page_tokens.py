"""Page tokens of queries."""

from __future__ import annotations

import base64

import pytest

PATH = "/rest/v1/opportunities.json"


def refusal(answer):
    return [(error["code"], error["message"]) for error in answer["errors"]]


REFUSED = [("1003", "Invalid next page token")]
IDS = ["OPP-0000001", "OPP-0000002", "OPP-0000003"]


@pytest.fixture
def sandbox(start):
    return start(opportunities=10, leads=5)


def first_page(api, **more):
    return api.find(IDS, batchSize="1", **more)["nextPageToken"]


@pytest.mark.parametrize(
    "changed",
    [
        {"fields": "name"},
        {"batchSize": "2"},
        {"filterValues": "OPP-0000001,OPP-0000002"},
        {"filterType": "idField"},
    ],
)
def test_a_page_token_is_valid_only_for_its_query(api, changed):
    token = first_page(api)
    same = {"filterType": "dedupeFields", "filterValues": ",".join(IDS), "batchSize": "1"}
    assert refusal(api.get(PATH, **(same | changed), nextPageToken=token)) == REFUSED
    assert api.get(PATH, **same, nextPageToken=token)["success"]


def test_a_page_token_of_another_object_is_refused(api):
    token = first_page(api)
    path = "/rest/v1/opportunities/roles.json"
    asked = {"filterType": "externalOpportunityId", "filterValues": ",".join(IDS)}
    assert refusal(api.get(path, **asked, batchSize="1", nextPageToken=token)) == REFUSED


@pytest.mark.parametrize("token", ["nonsense", "GIYDAOBNGEYS2MBW", "A" * 48, "é"])
def test_an_unknown_page_token_is_refused(api, token):
    assert refusal(api.find(IDS, batchSize="1", nextPageToken=token)) == REFUSED


def test_a_page_token_with_another_position_is_refused(api):
    token = base64.b32decode(first_page(api))
    assert token.endswith(b"[1]]")
    altered = base64.b32encode(token[:-4] + b"[2]]").decode()
    assert refusal(api.find(IDS, batchSize="1", nextPageToken=altered)) == REFUSED


@pytest.mark.parametrize("token", [5, ["GIYDAOBNGEYS2MBW"], {"a": 1}, True])
def test_a_page_token_that_is_not_a_string_is_refused(api, token):
    body = {"filterType": "dedupeFields", "filterValues": "a", "nextPageToken": token}
    for path in (PATH, "/rest/v1/opportunities/schema/fields.json"):
        assert refusal(api.post(f"{path}?_method=GET", body)) == REFUSED
    activities = api.get("/rest/v1/activities.json", activityTypeIds="34", nextPageToken=token)
    assert refusal(activities) == REFUSED


def test_expired_page_tokens_are_refused(api, sandbox):
    token = first_page(api)
    since = "2020-01-01T00:00:00Z"
    dated = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=since)["nextPageToken"]
    sandbox.instance.expire_page_tokens()
    assert refusal(api.find(IDS, batchSize="1", nextPageToken=token)) == REFUSED
    answer = api.get("/rest/v1/activities.json", activityTypeIds="34", nextPageToken=dated)
    assert refusal(answer) == REFUSED
    assert api.find(IDS, batchSize="1", nextPageToken=first_page(api))["success"]


def test_a_page_token_of_another_instance_is_refused(api, start, caller_of):
    other = caller_of(start(opportunities=10))
    assert refusal(other.find(IDS, batchSize="1", nextPageToken=first_page(api))) == REFUSED


def test_page_tokens_are_opaque(api):
    token = first_page(api)
    assert token.strip("=").isalnum()
    assert token.isupper()
