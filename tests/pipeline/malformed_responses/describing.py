"""Malformed responses to describe calls, of either object."""

from __future__ import annotations

from tests.pipeline.malformed_responses.messages import DEAL_AND_ROLE, ROLES_TOO
from tests.pipeline.malformed_responses.rows import (
    DESCRIBE,
    DESCRIBE_ROLE,
    QUERY_ROLE,
    REQUEST_ID,
    SYNC,
    Refused,
    Row,
    Well,
    answer,
    code,
    patch,
    success,
)

SUPPORT = "quote the requestId to Marketo's support"
FIELDS_AT = "/result/0/fields"
WITH_ROLES = {"messages": DEAL_AND_ROLE, "target_settings": ROLES_TOO}
NO_ROLES = {"find": "filter", "tap": Well(("roles",), roles=False)}
READING_BESIDE, ROLES_BESIDE = (
    "reading beside a CRM sync",
    "the roles' describe beside a CRM sync",
)
NOT_NEEDED = ("name", "displayName", "createdAt", "updatedAt", "description")


def field(name, **patched):
    return patch(DESCRIBE, at=FIELDS_AT, where={"name": name}, each=patched)


def fields(**patched):
    return patch(DESCRIBE, at=FIELDS_AT, each=patched)


def described(**merged):
    return patch(DESCRIBE, at="/result", each=merged)


ROWS = [
    Row(
        "describe says apiName",
        options={"dialects": {"api-names"}},
        both=Well(),
        open="name or apiName in describe",
        **WITH_ROLES,
    ),
    Row(
        "describe says neither name nor anything else that is not needed",
        [described(**dict.fromkeys(NOT_NEEDED))],
        both=Well(),
        open="name or apiName in describe",
    ),
    Row(
        "two descriptions",
        [patch(DESCRIBE, merge={}, add=[{"name": "opportunity", "fields": []}])],
        both=Refused((": 2 objects", REQUEST_ID), SUPPORT),
    ),
    Row(
        "no description",
        [success(DESCRIBE, result=[])],
        both=Refused(("describe", REQUEST_ID), SUPPORT),
    ),
    Row(
        "no result of describe",
        [success(DESCRIBE)],
        both=Refused(("describe", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a description without fields",
        [patch(DESCRIBE, merge={}, each={"fields": None})],
        both=Refused(("a description without fields", REQUEST_ID), SUPPORT),
    ),
    Row(
        "fields that are texts",
        [patch(DESCRIBE, merge={}, each={"fields": ["name", "amount"]})],
        both=Refused(("describe", REQUEST_ID), SUPPORT),
    ),
    Row(
        "numbers and texts in each other's place",
        [fields(displayName=5, length="255", updateable="true", odd={"a": [1]})],
        both=Well(),
    ),
    Row(
        "a field listed twice",
        [
            patch(
                DESCRIBE,
                at=FIELDS_AT,
                add=[{"name": "amount", "dataType": "currency", "updateable": True}],
            )
        ],
        both=Well(),
    ),
    Row("a data type in capitals", [field("amount", dataType="CURRENCY")], both=Well()),
    Row("a data type by another name", [field("amount", dataType="Number")], both=Well()),
    Row("a boolean by another name", [field("isClosed", dataType="Bool")], tap=Well()),
    Row(
        "a data type that nobody knows",
        [field("stage", dataType="hologram")],
        tap=Well(("Unknown data type 'hologram' of field stage",)),
    ),
    Row("no data type", [field("stage", dataType=None)], both=Well()),
    Row(
        "searchable fields in a flat list",
        [described(searchableFields={"$value": ["externalOpportunityId", "marketoGUID"]})],
        tap=Well(),
        find="filter",
    ),
    Row(
        "odd names of fields",
        [
            patch(
                DESCRIBE,
                at=FIELDS_AT,
                add=[
                    {"name": "größe (m²), netto", "dataType": "string", "updateable": True},
                    {"name": "__class__", "dataType": "string", "updateable": True},
                    {"name": "", "dataType": "string"},
                    {"dataType": "string"},
                ],
            )
        ],
        target=Well(),
    ),
    Row(
        "describe is refused with 1018",
        [code(1018, DESCRIBE)],
        tap=Refused(("1018", REQUEST_ID), "read it from the CRM"),
        target=Refused(("1018", REQUEST_ID), "Change them in the CRM"),
        open=READING_BESIDE,
    ),
    Row(
        "a CRM sync disables all of it",
        options={"crm_sync": "disabled"},
        tap=Refused(("1018",), "CRM"),
        target=Refused(("1018",), "Change them in the CRM"),
        open=READING_BESIDE,
    ),
    Row(
        "a CRM sync leaves opportunities to be read",
        options={"crm_sync": "read-only"},
        target=Refused(("1018",), "Change them in the CRM"),
        open=READING_BESIDE,
        **NO_ROLES,
    ),
    Row(
        "a CRM sync leaves opportunities to be read, finding needs roles",
        options={"crm_sync": "read-only"},
        tap=Refused(("1018",), "filter"),
        open=ROLES_BESIDE,
    ),
    Row("no roles by 1018", [code(1018, DESCRIBE_ROLE)], open=ROLES_BESIDE, **NO_ROLES),
    Row("no roles by 610", [code(610, DESCRIBE_ROLE)], open=ROLES_BESIDE, **NO_ROLES),
    Row("no roles by 709", [code(709, DESCRIBE_ROLE)], open=ROLES_BESIDE, **NO_ROLES),
    Row(
        "no roles by 1003",
        [code(1003, DESCRIBE_ROLE)],
        open=ROLES_BESIDE,
        **NO_ROLES,
    ),
    Row(
        "no roles by HTTP 404",
        [answer(DESCRIBE_ROLE, "<html>Not Found</html>", status=404)],
        open=ROLES_BESIDE,
        **NO_ROLES,
    ),
    Row(
        "no roles by HTTP 404, and yet they lead to opportunities",
        [answer(DESCRIBE_ROLE, "<html>Not Found</html>", status=404)],
        tap=Well(("HTTP 404", "Without roles"), roles=False),
        open=ROLES_BESIDE,
    ),
    Row(
        "no roles by HTTP 404, and nothing leads to opportunities",
        [
            answer(each, "<html>Not Found</html>", status=404)
            for each in (DESCRIBE_ROLE, QUERY_ROLE)
        ],
        tap=Refused(("HTTP 404", "roles.json"), "'endpoint'"),
        open=ROLES_BESIDE,
    ),
    Row(
        "roles are denied",
        [code(603, DESCRIBE_ROLE)],
        tap=Refused(("603", REQUEST_ID, "Read-Only Opportunity"), "Give the API user's role"),
        find="filter",
    ),
    Row(
        "roles are disabled, and some are to be written",
        [code(1018, DESCRIBE_ROLE)],
        target=Refused(("1018", REQUEST_ID), "CRM"),
        open=ROLES_BESIDE,
        **WITH_ROLES,
    ),
    Row(
        "writing is refused with 1018",
        [code(1018, SYNC)],
        target=Refused(("1018", REQUEST_ID), "Change them in the CRM"),
    ),
]
