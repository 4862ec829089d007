"""Replay of the requests and responses that Adobe prints for opportunities and roles."""

from __future__ import annotations

from tests.marketo_sandbox.documented import *  # noqa: F403 - fixtures
from tests.marketo_sandbox.documented import CHAIRS, OPPORTUNITIES, ROLES, buyer, formed, results

DAY_CARE = {
    "externalOpportunityId": "29UYA31581L000000",
    "name": "Big Dog Day Care-Phase12",
    "description": "Big Dog Day Care-Phase12",
    "amount": "1604.47",
    "source": "Email",
}


SYNC = {"action": "createOrUpdate", "dedupeBy": "dedupeFields", "input": [CHAIRS, DAY_CARE]}


def test_sync_opportunities(with_chairs):
    assert formed(with_chairs.post(OPPORTUNITIES, SYNC)) == results(
        {"seq": 0, "status": "updated", "marketoGUID": "<marketoGUID>"},
        {"seq": 1, "status": "created", "marketoGUID": "<marketoGUID>"},
    )


PRINTED_FIELDS = [
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
    assert told["fields"][:4] == PRINTED_FIELDS


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
