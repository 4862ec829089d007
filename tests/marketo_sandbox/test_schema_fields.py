"""Fields of objects, by describe and by the schema endpoint."""

from __future__ import annotations

PATH = "/rest/v1/opportunities/schema/fields"


def browse(api, size):
    token, more, pages = "", True, []
    while more:
        answer = api.get(f"{PATH}.json", batchSize=str(size), nextPageToken=token)
        pages.append(answer["result"])
        token, more = answer.get("nextPageToken"), answer.get("moreResult", False)
    return pages


def test_fields_are_browsed_page_by_page(api):
    pages = browse(api, 7)
    (whole,) = browse(api, 300)
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    assert [field for page in pages for field in page] == whole


def test_a_page_of_all_fields_has_no_token(api):
    (whole,) = browse(api, 300)
    assert len(browse(api, len(whole))) == 1
    assert [len(page) for page in browse(api, len(whole) - 1)] == [len(whole) - 1, 1]


def test_a_page_token_of_fields_is_valid_for_its_size(api):
    token = api.get(f"{PATH}.json", batchSize="7")["nextPageToken"]
    refused = api.get(f"{PATH}.json", batchSize="8", nextPageToken=token)
    assert refused["errors"][0]["code"] == "1003"


def test_every_updateable_field_of_describe_can_be_browsed(api):
    (described,) = api.get("/rest/v1/opportunities/describe.json")["result"]
    (whole,) = browse(api, 300)
    told = {field["name"]: field for field in whole}
    for field in described["fields"]:
        if field["updateable"]:
            assert told[field["name"]]["dataType"] == field["dataType"]
            assert told[field["name"]].get("length") == field.get("length")


def test_custom_fields_are_marked_as_custom(api):
    (whole,) = browse(api, 300)
    custom = {field["name"] for field in whole if field["isCustom"]}
    assert "region" in custom
    assert "name" not in custom


def test_a_field_is_found_only_by_its_api_name(api):
    assert api.get(f"{PATH}/region.json")["result"][0]["displayName"] == "Region"
    for unknown in ("Region", "nonsense", "updatedAt"):
        (error,) = api.get(f"{PATH}/{unknown}.json")["errors"]
        assert (error["code"], f"'{unknown}'" in error["message"]) == ("1006", True)


def test_empty_and_seeded_instances_have_the_same_fields(start, caller_of):
    empty, seeded = caller_of(start()), caller_of(start(opportunities=5, seed=9))
    path = "/rest/v1/opportunities/describe.json"
    assert empty.get(path)["result"] == seeded.get(path)["result"]


def test_describe_has_every_data_type_and_an_unknown_one(api):
    (described,) = api.get("/rest/v1/opportunities/describe.json")["result"]
    types = {field["dataType"] for field in described["fields"]}
    documented = {
        *("string", "text", "email", "phone", "url", "reference", "integer", "score"),
        *("percent", "float", "currency", "boolean", "date", "datetime"),
    }
    assert types - documented == {"geohash"}
    assert documented <= types


def test_only_custom_strings_and_integers_are_searchable(api):
    (described,) = api.get("/rest/v1/opportunities/describe.json")["result"]
    alone = {names[0] for names in described["searchableFields"]}
    keys = {"externalOpportunityId", "marketoGUID", "externalCompanyId", "externalSalesPersonId"}
    assert alone == keys | {"region", "legacyNumber", "crmOwner"}


def test_a_crm_managed_field_is_not_updateable(api):
    (described,) = api.get("/rest/v1/opportunities/describe.json")["result"]
    managed = [field for field in described["fields"] if field.get("crmManaged")]
    assert [(field["name"], field["updateable"]) for field in managed] == [("crmOwner", False)]


def test_describe_role_dates_lists_created_and_updated(start, caller_of):
    path = "/rest/v1/opportunities/roles/describe.json"
    for listed in (False, True):
        (described,) = caller_of(start(describe_role_dates=listed)).get(path)["result"]
        names = {field["name"] for field in described["fields"]}
        assert ({"createdAt", "updatedAt"} <= names) is listed
