"""Reasons of skipped records and errors of refused calls: what their messages name."""

from __future__ import annotations

import pytest

OPPORTUNITIES = "/rest/v1/opportunities.json"
BY_ID = {"action": "updateOnly", "dedupeBy": "idField"}


def reasons(answer):
    """Return the code and message of the only reason of each skipped record."""
    skipped = [each for each in answer["result"] if each["status"] == "skipped"]
    found = []
    for each in skipped:
        (reason,) = each["reasons"]
        found.append((reason["code"], reason["message"]))
    return found


def role(lead=1, external_id="a", **fields):
    return {"externalOpportunityId": external_id, "leadId": lead, "role": "Cook", **fields}


@pytest.fixture
def api(sandbox, caller_of):
    caller = caller_of(sandbox)
    sandbox.instance.add_leads([1])
    caller.sync([{"externalOpportunityId": "a", "name": "n"}])
    return caller


@pytest.mark.parametrize(
    ("record", "more", "code", "named"),
    [
        ({"name": "n"}, {}, "1002", "'externalOpportunityId'"),
        ({"externalOpportunityId": "a", "name": None}, {}, "1002", "'name'"),
        ({"externalOpportunityId": "new"}, {}, "1002", "'name'"),
        ({"stage": "Won"}, BY_ID, "1002", "'marketoGUID'"),
        ({"marketoGUID": None}, BY_ID, "1002", "'marketoGUID'"),
        ({"marketoGUID": 5}, BY_ID, "1001", "'5'"),
        ({"externalOpportunityId": "a", "nonsense": 1}, {}, "1006", "'nonsense'"),
        ({"externalOpportunityId": "a", "createdAt": None}, {}, "1011", "'createdAt'"),
        ({"externalOpportunityId": "a", "stage": "x" * 256}, {}, "1003", "'stage'"),
        ({"externalOpportunityId": "a", "region": "x" * 101}, {}, "1003", "100 char"),
        ({"externalOpportunityId": "a", "notes": "x" * 30_001}, {}, "1003", "'notes'"),
        ({"externalOpportunityId": "a", "notes": "x" * 30_001}, {}, "1003", "30000 bytes"),
        ({"externalOpportunityId": "a", "notes": 5}, {}, "1001", "'5'. Required of type 'text'"),
        ({"externalOpportunityId": "a", "stage": 5}, {}, "1001", "'5'"),
        ({"externalOpportunityId": "a", "probability": 2**63}, {}, "1003", "'probability'"),
        ({"externalOpportunityId": "a", "amount": "1e39"}, {}, "1003", "'amount'"),
        ({"externalOpportunityId": "a", "amount": "much"}, {}, "1001", "'much'"),
        ({"externalOpportunityId": "a", "amount": "much"}, {}, "1001", "type 'currency'"),
        ({"externalOpportunityId": "a", "isWon": "yes"}, {}, "1001", "'yes'"),
        ({"externalOpportunityId": "a", "isWon": "yes"}, {}, "1001", "type 'boolean'"),
        ({"externalOpportunityId": "a", "closeDate": "soon"}, {}, "1001", "'soon'"),
        ({"externalOpportunityId": "a", "closeDate": "soon"}, {}, "1001", "type 'date'"),
        ({"externalOpportunityId": "a", "lastTouchedAt": "soon"}, {}, "1001", "'soon'"),
        ({"externalOpportunityId": "a", "lastTouchedAt": "soon"}, {}, "1001", "type 'datetime'"),
        ({"externalOpportunityId": "a"}, {"action": "createOnly"}, "1005", "Opportunity "),
        ({"externalOpportunityId": "b"}, {"action": "updateOnly"}, "1004", "Opportunity "),
    ],
)
def test_a_reason_names_the_field_the_value_or_the_object(api, record, more, code, named):
    ((told, message),) = reasons(api.sync([record], **more))
    assert told == code
    assert named in message


def test_1007_names_the_object(api, sandbox):
    sandbox.instance.reset()
    sandbox.seed(3, duplicates=1)
    answer = api.sync([{"externalOpportunityId": "OPP-0000001", "name": "n"}])
    ((code, message),) = reasons(answer)
    assert code == "1007"
    assert "Opportunity " in message


@pytest.mark.parametrize(
    ("record", "more", "code", "named"),
    [
        (role(2), {}, "1004", "Lead not found"),
        (role(external_id="b"), {}, "1004", "Opportunity not found"),
        (role(None), {}, "1002", "'leadId'"),
        (role() | {"role": ""}, {}, "1002", "'role'"),
        (role(), {"action": "createOnly"}, "1005", "Opportunity Role "),
        (role(2), {"action": "updateOnly"}, "1004", "Opportunity Role "),
        (role() | {"role": "x" * 51}, {}, "1003", "'role'"),
    ],
)
def test_a_reason_of_a_role_names_what_is_missing(api, record, more, code, named):
    api.sync_roles([role()])
    ((told, message),) = reasons(api.sync_roles([record], **more))
    assert told == code
    assert named in message


def test_reasons_of_a_delete_have_messages(api, sandbox):
    api.sync_roles([role()])
    sandbox.instance.options.refuse_delete_in_use = True
    keys = [{"externalOpportunityId": "a"}, {"externalOpportunityId": "b", "name": "n"}]
    in_use, more_than_the_key = reasons(api.delete(keys))
    assert in_use == ("1022", "Object in use")
    assert more_than_the_key[0] == "1003"
    assert "only the key" in more_than_the_key[1]


def test_1036_says_that_the_record_is_a_duplicate(api):
    twice = [{"externalOpportunityId": "a"}, {"externalOpportunityId": "a"}]
    assert reasons(api.sync(twice)) == [("1036", "Duplicate object found in input")]


def test_718_names_the_sales_person(api, sandbox):
    sandbox.instance.options.sales_persons = frozenset({"sam"})
    answer = api.sync([{"externalOpportunityId": "a", "externalSalesPersonId": "kim"}])
    assert [each["code"] for each in answer["errors"]] == ["718"]
    assert "kim" in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        ({"filterValues": None}, "1002", "'filterValues'"),
        ({"filterType": " "}, "701", "filterType"),
        ({"filterType": "stage"}, "1011", "'stage'"),
        ({"filterType": "nonsense"}, "1006", "'nonsense'"),
        ({"fields": "name,nonsense"}, "1006", "'nonsense'"),
        ({"batchSize": "many"}, "1001", "'many'"),
        ({"batchSize": "0"}, "1003", "batchSize must be from 1 to 300"),
        ({"filterValues": ",".join(["a"] * 301)}, "1003", "300 values"),
    ],
)
def test_an_error_of_a_query_names_the_parameter(api, asked, code, named):
    query = {"filterType": "dedupeFields", "filterValues": "a"} | asked
    (error,) = api.get(OPPORTUNITIES, **query)["errors"]
    assert error["code"] == code
    assert named in error["message"]


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({}, "1002", "'input'"),
        ({"input": []}, "701", "input cannot"),
        ({"input": [1]}, "1003", " input "),
        ({"input": [{}] * 301}, "1003", "300 records"),
        ({"input": [{}], "action": "upsert"}, "1003", "action 'upsert'"),
        ({"input": [{}], "action": "upsert"}, "1003", "createOrUpdate, createOnly, updateOnly"),
        ({"input": [{}], "dedupeBy": "name"}, "1003", "dedupeBy 'name'"),
    ],
)
def test_an_error_of_a_sync_names_the_parameter(api, body, code, named):
    (error,) = api.post(OPPORTUNITIES, body)["errors"]
    assert error["code"] == code
    assert named in error["message"]
