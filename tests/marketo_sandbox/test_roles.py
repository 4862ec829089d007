"""Opportunity roles: syncs, queries and deletes."""

from __future__ import annotations

import pytest

from tests.marketo_sandbox.helpers import outcome

PATH = "/rest/v1/opportunities/roles.json"
DELETE = "/rest/v1/opportunities/roles/delete.json"


def role(lead=1, external_id="a", name="Captain", **fields):
    return {"externalOpportunityId": external_id, "leadId": lead, "role": name, **fields}


@pytest.fixture
def api(sandbox, caller_of):
    caller = caller_of(sandbox)
    sandbox.instance.add_leads([1, 2, 3])
    caller.sync([{"externalOpportunityId": each, "name": "n"} for each in ("a", "b")])
    return caller


def test_roles_are_created_and_updated_by_their_compound_key(api, sandbox):
    assert outcome(api.sync_roles([role(1), role(2), role(1, name="Cook")])) == ["created"] * 3
    assert outcome(api.sync_roles([role("1", isPrimary=True)])) == ["updated"]
    assert [each.get("isPrimary") for each in sandbox.instance.roles()] == [True, None, None]


@pytest.mark.parametrize("unknown", [role(external_id="nobody"), role(lead=99)])
def test_a_role_without_its_opportunity_or_lead_is_1004(api, unknown):
    assert outcome(api.sync_roles([unknown, role()])) == ["1004", "created"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"externalOpportunityId": "a", "leadId": 1}, "1002"),
        (role(lead="one"), "1001"),
        (role(name="x" * 51), "1003"),
        (role(isPrimary="maybe"), "1001"),
        (role(externalCreatedDate="soon"), "1001"),
        (role(stage="x"), "1006"),
        (role(marketoGUID="x"), "1011"),
    ],
)
def test_an_invalid_role_is_skipped(api, record, code):
    assert outcome(api.sync_roles([record])) == [code]


def test_a_role_with_a_sales_person_is_skipped_not_the_call(api, sandbox):
    sandbox.instance.options.sales_persons = frozenset({"sam"})
    assert outcome(api.sync_roles([role(externalSalesPersonId="kim")])) == ["1006"]


def test_roles_and_opportunities_have_different_guids(api, sandbox):
    api.sync_roles([role(1), role(2)])
    records = sandbox.instance.opportunities() + sandbox.instance.roles()
    assert len({each["marketoGUID"] for each in records}) == 4


def test_actions_apply_to_roles_as_to_opportunities(api):
    guid = api.sync_roles([role()])["result"][0]["marketoGUID"]
    assert outcome(api.sync_roles([role(), role(2)], action="createOnly")) == ["1005", "created"]
    assert outcome(api.sync_roles([role(3)], action="updateOnly")) == ["1004"]
    by_id = {"action": "updateOnly", "dedupeBy": "idField"}
    assert outcome(api.sync_roles([{"marketoGUID": guid, "isPrimary": True}], **by_id)) == [
        "updated"
    ]
    assert outcome(api.sync_roles([role(), role()])) == ["updated", "1036"]


@pytest.mark.parametrize(
    ("filter_type", "value", "found"),
    [
        ("leadId", "1", ["a", "b"]),
        ("leadId", "2,3", ["a"]),
        ("externalOpportunityId", "a", ["a", "a"]),
        ("leadId", "x", []),
        ("leadId", "0,-1,9223372036854775807,9223372036854775808", []),
    ],
)
def test_roles_are_found_by_lead_or_opportunity(api, filter_type, value, found):
    api.sync_roles([role(1), role(1, "b"), role(2)])
    answer = api.get(PATH, filterType=filter_type, filterValues=value)
    assert [each["externalOpportunityId"] for each in answer["result"]] == found


def test_roles_are_found_by_guid_with_default_fields(api):
    (created,) = api.sync_roles([role()])["result"]
    answer = api.get(PATH, filterType="idField", filterValues=created["marketoGUID"])
    (record,) = answer["result"]
    assert set(record) == {
        "seq",
        "marketoGUID",
        "externalOpportunityId",
        "leadId",
        "role",
        "createdAt",
        "updatedAt",
    }


def test_roles_cannot_be_filtered_by_role_name_alone(api):
    answer = api.get(PATH, filterType="role", filterValues="Captain")
    assert answer["errors"][0]["code"] == "1011"


def test_roles_are_found_by_compound_keys_in_json(api):
    written = api.sync_roles([role(1, isPrimary=True), role(2), role(1, "b")])["result"]
    guids = [{"marketoGUID": each["marketoGUID"]} for each in written]
    body = {
        "filterType": "dedupeFields",
        "fields": ["leadId", "isPrimary"],
        "input": [role(1), role("1", "b"), role(3)],
    }
    answer = api.post(f"{PATH}?_method=GET", body)
    assert answer["result"] == [
        {"seq": 0, **guids[0], **role(1), "isPrimary": True},
        {"seq": 1, **guids[2], **role(1, "b")},
    ]


def test_compound_key_pages_need_all_inputs_repeated(api):
    api.sync_roles([role(lead) for lead in (1, 2, 3)])
    keys = [role(lead) for lead in (1, 2, 3)]
    body = {"filterType": "dedupeFields", "input": keys, "batchSize": 2}
    first = api.post(f"{PATH}?_method=GET", body)
    assert [len(first["result"]), first["moreResult"]] == [2, True]
    token = {"nextPageToken": first["nextPageToken"]}
    second = api.post(f"{PATH}?_method=GET", body | token)
    assert [each["leadId"] for each in second["result"]] == [3]
    part = api.post(f"{PATH}?_method=GET", body | token | {"input": keys[:2]})
    assert part["errors"][0]["code"] == "1003"


def test_an_incomplete_or_invalid_compound_key_is_refused(api):
    body = {"filterType": "dedupeFields", "input": [{"externalOpportunityId": "a", "leadId": 1}]}
    assert api.post(f"{PATH}?_method=GET", body)["errors"][0]["code"] == "1002"
    for name in ("externalOpportunityId", "leadId", "role"):
        for nothing in (None, ""):
            body["input"] = [role(1), role(2) | {name: nothing}]
            (error,) = api.post(f"{PATH}?_method=GET", body)["errors"]
            assert (error["code"], name in error["message"]) == ("1002", True)
    body["input"] = [role("one")]
    (error,) = api.post(f"{PATH}?_method=GET", body)["errors"]
    assert error["code"] == "1001"
    assert "'one'" in error["message"]
    assert api.get(PATH, filterType="dedupeFields", filterValues="a")["errors"][0]["code"] == "1002"


def test_roles_are_deleted_by_key_and_by_guid(api, sandbox):
    guid = api.sync_roles([role(1), role(2)])["result"][0]["marketoGUID"]
    assert outcome(api.delete([{"marketoGUID": guid}], DELETE, deleteBy="idField")) == ["deleted"]
    assert outcome(api.delete([role(2), role(3)], DELETE)) == ["deleted", "1013"]
    assert outcome(api.delete([{"leadId": 1}], DELETE)) == ["1002"]
    assert sandbox.instance.roles() == []
