"""Input of the target: opportunities, roles and deletes, each with a STATE message after them."""

from __future__ import annotations

import typing as t

KEY = "externalOpportunityId"
TEXT = {"type": ["string", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
STATE_VALUE = {"bookmarks": {"deals": {"replication_key_value": "2026-05-01T00:00:00Z"}}}
STATE = {"type": "STATE", "value": STATE_VALUE}
DEAL_IDS = ("D-1", "D-2", "D-3", "D-4")
LEADS = (1, 2, 3, 4)

Message = dict[str, t.Any]

DEAL_SCHEMA: Message = {
    "type": "SCHEMA",
    "stream": "opportunities",
    "key_properties": [KEY],
    "schema": {
        "properties": {
            KEY: TEXT,
            "name": TEXT,
            "amount": {"type": ["number", "null"]},
            "externalSalesPersonId": TEXT,
            "_sdc_deleted_at": MOMENT,
        }
    },
}
ROLE_SCHEMA: Message = {
    "type": "SCHEMA",
    "stream": "roles",
    "key_properties": [KEY, "leadId", "role"],
    "schema": {"properties": {KEY: TEXT, "leadId": {"type": ["integer", "null"]}, "role": TEXT}},
}
ROLES_TOO = {"stream_objects": {"roles": "opportunity_roles"}}


def deal(key: str, **more: t.Any) -> Message:
    record = {KEY: key, "name": f"Deal {key}", "amount": 12.5, **more}
    record = {name: value for name, value in record.items() if value is not ...}
    return {"type": "RECORD", "stream": "opportunities", "record": record}


def deleted(key: str) -> Message:
    return deal(key, _sdc_deleted_at="2026-05-01T00:00:00Z")


def role(key: str, lead: int) -> Message:
    record = {KEY: key, "leadId": lead, "role": "Champion"}
    return {"type": "RECORD", "stream": "roles", "record": record}


DEALS = (DEAL_SCHEMA, *map(deal, DEAL_IDS), STATE)
DELETES = (DEAL_SCHEMA, deal("D-1"), *map(deleted, DEAL_IDS[1:]), STATE)
ROLE_FIRST = (DEAL_SCHEMA, ROLE_SCHEMA, role("D-1", 1), deal("D-1"), STATE)
DEAL_AND_ROLE = (DEAL_SCHEMA, ROLE_SCHEMA, deal("D-1"), role("D-1", 1), STATE)
ROLE_OF_NOBODY = (DEAL_SCHEMA, ROLE_SCHEMA, deal("D-1"), role("D-1", 99), role("D-1", 1), STATE)
NAMELESS = (DEAL_SCHEMA, deal("D-1"), deal("D-2", name=...), STATE)
