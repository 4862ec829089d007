"""The activity log: its entries, filters, pages and paging tokens."""

from __future__ import annotations

import json

import pytest

from tests.marketo_sandbox.activities import *  # noqa: F403 - fixtures
from tests.marketo_sandbox.activities import NAMES, NOON, PATH, TOKEN, attributes, role, token, told


def test_activity_types_have_their_standard_names(api):
    types = {
        each["id"]: each["name"] for each in api.get("/rest/v1/activities/types.json")["result"]
    }
    assert NAMES.items() <= types.items()


def test_activity_types_name_their_attributes_and_data_types(api):
    types = {each["id"]: each for each in api.get("/rest/v1/activities/types.json")["result"]}
    update = types[36]
    assert update["primaryAttribute"] == {"name": "Opp ID", "dataType": "integer"}
    assert update["attributes"] == [
        {"name": "Role", "dataType": "string"},
        {"name": "Is Primary", "dataType": "boolean"},
        {"name": "Data Value Changes", "dataType": "string"},
    ]
    assert types[34]["attributes"] == types[35]["attributes"] == update["attributes"][:2]
    assert types[1]["primaryAttribute"] == {"name": "Webpage ID", "dataType": "string"}
    assert types[32]["primaryAttribute"] == {"name": "Lead ID", "dataType": "integer"}
    assert types[32]["attributes"] == [{"name": "Merge IDs", "dataType": "string"}]


def test_a_new_role_is_logged_for_its_lead(api):
    api.sync_roles([role(1), role(2)])
    assert told(api.log()) == [
        ("Add to Opportunity", 1, "deal a"),
        ("Add to Opportunity", 2, "deal a"),
    ]


def test_a_changed_opportunity_is_logged_for_each_of_its_leads(api):
    api.sync_roles([role(1), role(2), role(3, "b")])
    before = len(api.log())
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    assert told(api.log()[before:]) == [
        ("Update Opportunity", 1, "deal a"),
        ("Update Opportunity", 2, "deal a"),
    ]


def test_a_changed_role_is_logged(api):
    api.sync_roles([role(1)])
    api.sync_roles([role(1) | {"isPrimary": True}])
    assert told(api.log())[1:] == [("Update Opportunity", 1, "deal a")]


def test_removed_roles_and_deleted_opportunities_are_logged(api):
    api.sync_roles([role(1), role(2), role(3)])
    api.delete([role(1)], "/rest/v1/opportunities/roles/delete.json")
    api.delete([{"externalOpportunityId": "a"}])
    assert told(api.log())[3:] == [
        ("Remove from Opportunity", 1, "deal a"),
        ("Remove from Opportunity", 2, "deal a"),
        ("Remove from Opportunity", 3, "deal a"),
    ]


def test_an_opportunity_without_roles_is_not_logged(api):
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    assert api.log() == []


def test_a_skipped_record_is_not_logged(api):
    api.sync_roles([role(1), role(99)])
    api.sync([{"externalOpportunityId": "a", "probability": "many"}])
    assert told(api.log()) == [("Add to Opportunity", 1, "deal a")]


def test_an_activity_has_the_documented_members(api):
    api.sync_roles([role(1)])
    (activity,) = api.log()
    assert activity["activityDate"] == "2026-06-01T12:00:00Z"
    assert activity["marketoGUID"] == str(activity["id"])
    assert activity["primaryAttributeValueId"] == 1
    assert activity["attributes"] == [
        {"name": "Role", "value": "Captain"},
        {"name": "Is Primary", "value": False},
    ]
    assert set(activity) == {
        "id",
        "marketoGUID",
        "leadId",
        "activityDate",
        "activityTypeId",
        "primaryAttributeValueId",
        "primaryAttributeValue",
        "attributes",
    }


def test_only_activities_of_requested_types_are_returned(api):
    api.sync_roles([role(1)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    assert told(api.log(types="36")) == [("Update Opportunity", 1, "deal a")]


def test_only_activities_of_requested_leads_are_returned(api):
    api.sync_roles([role(1), role(2)])
    answer = api.get(PATH, nextPageToken=token(api), activityTypeIds="34", leadIds="2,3")
    assert [each["leadId"] for each in answer["result"]] == [2]


def test_a_repeated_activity_type_is_accepted_as_adobe_prints_it(api):
    api.sync_roles([role(1)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    parameters = [("activityTypeIds", "34"), ("activityTypeIds", "36")]
    parameters.append(("nextPageToken", token(api)))
    answer = api.send("GET", PATH, params=parameters).json()
    assert len(answer["result"]) == 2


def test_log_pages_may_be_short_or_empty_while_more_follows(api):
    api.sync_roles([role(lead) for lead in range(1, 9)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    sizes, answer = [], {"nextPageToken": token(api), "moreResult": True}
    while answer["moreResult"]:
        answer = api.get(PATH, nextPageToken=answer["nextPageToken"], activityTypeIds="36")
        sizes.append(len(answer.get("result", [])))
    assert sizes == [0, 2, 5, 1]


def test_batch_size_limits_log_pages_without_losing_activities(api):
    api.sync_roles([role(lead) for lead in range(1, 9)])
    leads, answer = [], {"nextPageToken": token(api), "moreResult": True}
    while answer["moreResult"]:
        answer = api.get(
            PATH, nextPageToken=answer["nextPageToken"], activityTypeIds="34", batchSize="3"
        )
        found = answer.get("result", [])
        assert len(found) <= 3
        leads += [each["leadId"] for each in found]
    assert leads == list(range(1, 9))


@pytest.mark.parametrize(("size", "more"), [("2", True), ("3", False), ("4", False)])
def test_more_result_is_false_once_all_is_read(api, size, more):
    api.sync_roles([role(lead) for lead in (1, 2, 3)])
    answer = api.get(PATH, nextPageToken=token(api), activityTypeIds="34", batchSize=size)
    assert len(answer["result"]) == min(3, int(size))
    assert answer["moreResult"] is more


def test_the_last_page_token_leads_to_later_activities(api):
    api.sync_roles([role(1)])
    last = api.get(PATH, nextPageToken=token(api), activityTypeIds="34")
    assert last["moreResult"] is False
    again = api.get(PATH, nextPageToken=last["nextPageToken"], activityTypeIds="34")
    assert "result" not in again
    api.sync_roles([role(2)])
    later = api.get(PATH, nextPageToken=again["nextPageToken"], activityTypeIds="34")
    assert [each["leadId"] for each in later["result"]] == [2]


def test_activities_at_since_datetime_itself_are_excluded(api):
    api.sync_roles([role(1)])
    at = api.get(PATH, nextPageToken=token(api, NOON), activityTypeIds="34")
    before = api.get(PATH, nextPageToken=token(api), activityTypeIds="34")
    assert "result" not in at
    assert len(before["result"]) == 1


def test_all_activities_of_the_excluded_second_are_excluded(api, sandbox):
    sandbox.instance.add_leads(range(10, 160))
    api.sync_roles([role(lead) for lead in range(10, 160)])
    at = api.get(PATH, nextPageToken=token(api, NOON), activityTypeIds="34", batchSize="300")
    assert "result" not in at


def test_an_update_lists_the_changed_values(api):
    api.sync_roles([role(1)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won", "name": "deal a", "amount": "5.10"}])
    api.sync_roles([role(1) | {"isPrimary": True}])
    deal, primary = (attributes(each) for each in api.log(types="36"))
    assert json.loads(deal["Data Value Changes"]) == [
        {"attributeName": "Stage", "oldValue": None, "newValue": "Won"},
        {"attributeName": "Amount", "oldValue": None, "newValue": "5.10"},
    ]
    assert json.loads(primary["Data Value Changes"]) == [
        {"attributeName": "Is Primary", "oldValue": None, "newValue": True}
    ]
    assert primary["Is Primary"] is True


def test_an_update_lists_old_values_and_cleared_fields(api):
    api.sync_roles([role(1)])
    for fields in ({"stage": "New", "amount": "5"}, {"stage": "Won", "amount": None}):
        api.sync([{"externalOpportunityId": "a", **fields}])
    changes = attributes(api.log(types="36")[-1])["Data Value Changes"]
    assert json.loads(changes) == [
        {"attributeName": "Stage", "oldValue": "New", "newValue": "Won"},
        {"attributeName": "Amount", "oldValue": "5", "newValue": None},
    ]


def test_a_new_lead_is_logged_with_its_address_or_number(api):
    path = "/rest/v1/leads.json"
    api.sync([{"email": "a@b.example"}, {"firstName": "A"}], path, action="createDuplicate")
    first, second = api.log(types="12")
    assert first["primaryAttributeValueId"] == first["leadId"]
    assert first["primaryAttributeValue"] == "a@b.example"
    assert second["primaryAttributeValue"] == str(second["leadId"])
    assert attributes(first) == {"Source Type": "Web service API"}


def test_an_update_is_logged_once_for_a_lead_with_several_roles(api):
    api.sync_roles([role(1), role(1) | {"role": "Cook"}, role(2)])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    assert [each["leadId"] for each in api.log(types="36")] == [1, 2]


def test_asset_ids_filter_activities_by_opportunity(api):
    api.sync_roles([role(1), role(2, "b")])
    ids = {each["primaryAttributeValue"]: each["primaryAttributeValueId"] for each in api.log()}
    wanted = str(ids["deal b"])
    answer = api.get(PATH, nextPageToken=token(api), activityTypeIds="34", assetIds=wanted)
    assert [each["leadId"] for each in answer["result"]] == [2]


def test_list_id_filters_activities_by_static_list_members(api, sandbox):
    api.sync_roles([role(1), role(2), role(3)])
    sandbox.instance.add_to_list(7, [1, 3])
    sandbox.instance.delete_leads([1])
    answer = api.get(PATH, nextPageToken=token(api), activityTypeIds="34", listId="7")
    assert [each["leadId"] for each in answer["result"]] == [3]
    none = api.get(PATH, nextPageToken=token(api), activityTypeIds="34", listId="8")
    assert "result" not in none


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"activityTypeIds": None}, "1002"),
        ({"activityTypeIds": ""}, "701"),
        ({"activityTypeIds": "all"}, "1001"),
        ({"activityTypeIds": "1,2,3,4,5,6,7,8,9,10,11"}, "1003"),
        ({"leadIds": ",".join(str(lead) for lead in range(31))}, "1003"),
        ({"listId": "1,2"}, "1003"),
        ({"assetIds": "chairs"}, "1001"),
        ({"nextPageToken": None}, "1002"),
        ({"batchSize": "301"}, "1003"),
    ],
)
def test_missing_or_excessive_log_parameters_are_refused(api, changed, code):
    parameters = {"nextPageToken": token(api), "activityTypeIds": "34"} | changed
    assert api.get(PATH, **parameters)["errors"][0]["code"] == code


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"activityTypeIds": "all"}, "'all'"),
        ({"activityTypeIds": "1,2,3,4,5,6,7,8,9,10,11"}, "10 activityTypeIds"),
        ({"leadIds": ",".join(map(str, range(1, 32)))}, "30 leadIds"),
        ({"assetIds": ",".join(map(str, range(1, 302)))}, "300 assetIds"),
        ({"nextPageToken": None}, "'nextPageToken'"),
    ],
)
def test_an_error_of_the_log_names_the_parameter(api, changed, named):
    parameters = {"nextPageToken": token(api), "activityTypeIds": "34"} | changed
    assert named in api.get(PATH, **parameters)["errors"][0]["message"]


def test_ten_types_and_thirty_leads_are_accepted(api):
    api.sync_roles([role(1)])
    answer = api.get(
        PATH,
        nextPageToken=token(api),
        activityTypeIds=",".join(map(str, range(30, 40))),
        leadIds=",".join(map(str, range(1, 31))),
        assetIds=",".join(map(str, range(1, 301))),
        listId="",
    )
    assert [each["leadId"] for each in answer["result"]] == [1]


@pytest.mark.parametrize(
    "moment",
    [
        "2014-10-06T13:22:17-08:00",
        "2016-09-15T10:53:00Z",
        "2016-09-15T15:53:00+05:00",
        "2016-09-15",
    ],
)
def test_every_datetime_form_that_adobe_prints_gets_a_paging_token(api, moment):
    assert set(api.get(TOKEN, sinceDatetime=moment)) == {"requestId", "success", "nextPageToken"}


@pytest.mark.parametrize(
    ("moment", "code"), [("yesterday", "704"), ("2016-13-15", "704"), (None, "1002"), ("", "701")]
)
def test_an_invalid_datetime_gets_no_paging_token(api, moment, code):
    (error,) = api.get(TOKEN, sinceDatetime=moment)["errors"]
    assert error["code"] == code
    assert (moment or "sinceDatetime") in error["message"]
