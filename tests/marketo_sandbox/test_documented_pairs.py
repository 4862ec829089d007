"""Replay of the requests and responses that Adobe prints.

They come from the pages Opportunities, Opportunity Roles, Lead Database, Leads, List Membership,
Paging Tokens, Authentication, Usage, Activities and Error Codes of Adobe's developer guide. An
instance chooses its own request ids, GUIDs, tokens and dates, so these are compared by form and
all other values exactly.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

OPPORTUNITIES = "/rest/v1/opportunities.json"
ROLES = "/rest/v1/opportunities/roles.json"
FORMS = {
    "requestId": r"[0-9a-f]+#[0-9a-f]+",
    "marketoGUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} ?",
    "nextPageToken": r"[A-Z2-7]+=*",
    "access_token": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:int",
    "createdAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+0000)",
    "updatedAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+0000)",
}


def formed(value, name=None):
    """Return a value in which ids, tokens and dates are replaced by the form they must have."""
    if isinstance(value, dict):
        return {key: formed(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [formed(each) for each in value]
    if name in FORMS and isinstance(value, str) and re.fullmatch(FORMS[name], value):
        return f"<{name}>"
    return value


CHAIRS = {
    "externalOpportunityId": "19UYA31581L000000",
    "name": "Chairs",
    "description": "Chairs",
    "amount": "1604.47",
    "source": "Inbound Sales Call/Email",
}
DAY_CARE = {
    "externalOpportunityId": "29UYA31581L000000",
    "name": "Big Dog Day Care-Phase12",
    "description": "Big Dog Day Care-Phase12",
    "amount": "1604.47",
    "source": "Email",
}
SYNC = {"action": "createOrUpdate", "dedupeBy": "dedupeFields", "input": [CHAIRS, DAY_CARE]}


@pytest.fixture
def with_chairs(api):
    """Create the opportunity that Adobe's first sync example updates."""
    api.sync([CHAIRS])
    return api


def results(*items):
    return {"requestId": "<requestId>", "success": True, "result": list(items)}


def test_sync_opportunities(with_chairs):
    assert formed(with_chairs.post(OPPORTUNITIES, SYNC)) == results(
        {"seq": 0, "status": "updated", "marketoGUID": "<marketoGUID>"},
        {"seq": 1, "status": "created", "marketoGUID": "<marketoGUID>"},
    )


def test_describe_opportunities(api):
    described = formed(api.get("/rest/v1/opportunities/describe.json"))
    assert described.keys() == {"requestId", "success", "result"}
    (told,) = described["result"]
    assert {name: told[name] for name in list(told) if name != "fields"} == {
        "name": "opportunity",
        "displayName": "Opportunity",
        "createdAt": "<createdAt>",
        "updatedAt": "<updatedAt>",
        "idField": "marketoGUID",
        "dedupeFields": ["externalOpportunityId"],
        "searchableFields": [
            ["externalOpportunityId"],
            ["marketoGUID"],
            # Adobe's page does not list these, but a recorded instance has them.
            ["externalCompanyId"],
            ["externalSalesPersonId"],
            # Adobe's example instance has no custom fields, but the sandbox has some.
            ["region"],
            ["legacyNumber"],
            ["crmOwner"],
        ],
    }
    printed = [
        {
            "name": "marketoGUID",
            "displayName": "Marketo GUID",
            "dataType": "string",
            "length": 36,
            "updateable": False,
        },
        {
            "name": "createdAt",
            "displayName": "Created At",
            "dataType": "datetime",
            "updateable": False,
        },
        {
            "name": "updatedAt",
            "displayName": "Updated At",
            "dataType": "datetime",
            "updateable": False,
        },
        {
            "name": "externalOpportunityId",
            "displayName": "External Opportunity Id",
            "dataType": "string",
            "length": 50,
            "updateable": False,
        },
    ]
    assert told["fields"][:4] == printed


def test_query_opportunities_by_guid(with_chairs, sandbox):
    with_chairs.post(OPPORTUNITIES, SYNC)
    guids = ",".join(each["marketoGUID"] for each in sandbox.instance.opportunities())
    fields = "marketoGUID,externalOpportunityId,name,description,amount,source"
    for filter_type in ("marketoGUID", "idField"):
        answer = with_chairs.get(
            OPPORTUNITIES, filterType=filter_type, filterValues=guids, fields=fields
        )
        assert formed(answer) == results(
            {"seq": 0, "marketoGUID": "<marketoGUID>", **CHAIRS},
            {"seq": 1, "marketoGUID": "<marketoGUID>", **DAY_CARE},
        )


def test_query_opportunities_with_the_ampersand_in_adobes_example(with_chairs, sandbox):
    with_chairs.post(OPPORTUNITIES, SYNC)
    first, second = (each["marketoGUID"] for each in sandbox.instance.opportunities())
    query = f"filterType=idField&filterValues={first}&{second},{second}"
    answer = with_chairs.send("GET", f"{OPPORTUNITIES}?{query}").json()
    # The text after the ampersand becomes another parameter: Adobe's example has a misprint.
    assert [each["marketoGUID"] for each in answer["result"]] == [first]


def test_query_opportunities_by_post_instead_of_a_long_uri(with_chairs, sandbox):
    with_chairs.post(OPPORTUNITIES, SYNC)
    guids = ",".join(each["marketoGUID"] for each in sandbox.instance.opportunities())
    answer = with_chairs.send(
        "POST",
        f"{OPPORTUNITIES}?_method=GET",
        data=f"filterType=idField&filterValues={guids},544fb7f5-2ddf-4fca-ae32-7e6ef1415e9f",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ).json()
    assert [each["seq"] for each in answer["result"]] == [0, 1]


def test_opportunity_field_by_name(api):
    assert formed(
        api.get("/rest/v1/opportunities/schema/fields/externalOpportunityId.json")
    ) == results(
        {
            "displayName": "SFDC Oppty Id",
            "name": "externalOpportunityId",
            "description": None,
            "dataType": "string",
            "length": 50,
            "isHidden": False,
            "isHtmlEncodingInEmail": True,
            "isSensitive": False,
            "isCustom": False,
            "isApiCreated": False,
        }
    )


def test_browse_opportunity_fields(api):
    printed = [
        ("SFDC Oppty Id", "externalOpportunityId", 50),
        ("Name", "name", 255),
        ("Description", "description", 2000),
        ("Type", "type", 255),
        ("Stage", "stage", 255),
    ]
    answer = formed(api.get("/rest/v1/opportunities/schema/fields.json", batchSize="5"))
    assert answer == {
        **results(
            *(
                {
                    "displayName": display_name,
                    "name": name,
                    "description": None,
                    "dataType": "string",
                    "length": length,
                    "isHidden": False,
                    "isHtmlEncodingInEmail": True,
                    "isSensitive": False,
                    "isCustom": False,
                    "isApiCreated": False,
                }
                for display_name, name, length in printed
            )
        ),
        "nextPageToken": "<nextPageToken>",
        "moreResult": True,
    }


def test_delete_opportunities(with_chairs):
    with_chairs.post(OPPORTUNITIES, SYNC)
    body = {
        "deleteBy": "dedupeFields",
        "input": [
            {"externalOpportunityId": "19UYA31581L000000"},
            {"externalOpportunityId": "29UYA31581L000000"},
        ],
    }
    answer = with_chairs.post("/rest/v1/opportunities/delete.json", body)
    assert formed(answer) == results(
        {"seq": 0, "marketoGUID": "<marketoGUID>", "status": "deleted"},
        {"seq": 1, "marketoGUID": "<marketoGUID>", "status": "deleted"},
    )


def test_delete_missing_opportunities(with_chairs):
    # Adobe prints this example for custom objects, whose calls have the same form.
    body = {"deleteBy": "dedupeFields", "input": [{"externalOpportunityId": "39UYA31581L000000"}]}
    answer = with_chairs.post("/rest/v1/opportunities/delete.json", body)
    assert formed(answer) == results(
        {
            "seq": 0,
            "status": "skipped",
            "reasons": [{"code": "1013", "message": "Object not found"}],
        }
    )


ROLE_FIELDS = [
    {
        "name": "marketoGUID",
        "displayName": "Marketo GUID",
        "dataType": "string",
        "length": 36,
        "updateable": False,
    },
    {
        "name": "externalOpportunityId",
        "displayName": "External Opportunity Id",
        "dataType": "string",
        "length": 50,
        "updateable": False,
    },
    {"name": "leadId", "displayName": "Lead Id", "dataType": "integer", "updateable": False},
    {
        "name": "role",
        "displayName": "Role",
        "dataType": "string",
        "length": 50,
        "updateable": False,
    },
    {"name": "isPrimary", "displayName": "Is Primary", "dataType": "boolean", "updateable": True},
    {
        "name": "externalCreatedDate",
        "displayName": "External Created Date",
        "dataType": "datetime",
        "updateable": True,
    },
]


def test_describe_roles(api):
    assert formed(api.get("/rest/v1/opportunities/roles/describe.json")) == results(
        {
            "name": "opportunityRole",
            "displayName": "Opportunity Role",
            "createdAt": "<createdAt>",
            "updatedAt": "<updatedAt>",
            "idField": "marketoGUID",
            "dedupeFields": ["externalOpportunityId", "leadId", "role"],
            "searchableFields": [
                ["externalOpportunityId", "leadId", "role"],
                ["marketoGUID"],
                ["leadId"],
                ["externalOpportunityId"],
            ],
            "fields": ROLE_FIELDS,
        }
    )


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


def buyer(lead, **more):
    return {
        "externalOpportunityId": "19UYA31581L000000",
        "leadId": lead,
        "role": "Technical Buyer",
        **more,
    }


@pytest.fixture
def with_leads(with_chairs, sandbox):
    sandbox.instance.add_leads([456783, 456784, 1, 1872, 273891])
    return with_chairs


def test_sync_roles(with_leads):
    with_leads.sync_roles([buyer(456783)])
    body = {
        "action": "createOrUpdate",
        "dedupeBy": "dedupeFields",
        "input": [buyer(456783, isPrimary=False), buyer(456784, isPrimary=False)],
    }
    assert formed(with_leads.post(ROLES, body)) == results(
        {"seq": 0, "status": "updated", "marketoGUID": "<marketoGUID>"},
        {"seq": 1, "status": "created", "marketoGUID": "<marketoGUID>"},
    )


def test_query_roles_by_compound_key(with_leads):
    keys = [
        {"externalOpportunityId": "Opportunity1", "leadId": 1, "role": "Captain"},
        {"externalOpportunityId": "Opportunity2", "leadId": 1872, "role": "Commander"},
        {
            "externalOpportunityId": "Opportunity3",
            "leadId": 273891,
            "role": "Lieutenant Commander",
        },
    ]
    ids = [key["externalOpportunityId"] for key in keys]
    with_leads.sync([{"externalOpportunityId": each, "name": "n"} for each in ids])
    with_leads.sync_roles(keys)
    body = {
        "filterType": "dedupeFields",
        "fields": ["marketoGuid", "externalOpportunityId", "leadId", "role"],
        "input": keys,
    }
    assert formed(with_leads.post(f"{ROLES}?_method=GET", body)) == results(
        *({"seq": seq, "marketoGUID": "<marketoGUID>", **key} for seq, key in enumerate(keys))
    )


def test_delete_roles(with_leads):
    with_leads.sync_roles([buyer(456783)])
    body = {"deleteBy": "dedupeFields", "input": [buyer(456783)]}
    answer = with_leads.post("/rest/v1/opportunities/roles/delete.json", body)
    assert formed(answer) == results(
        {"seq": 0, "marketoGUID": "<marketoGUID>", "status": "deleted"}
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
