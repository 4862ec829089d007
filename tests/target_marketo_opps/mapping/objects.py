"""Define descriptions of objects, and helpers that map records."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from marketo_opps import FieldDescription, ObjectDescription

FIELDS = [
    ("marketoGUID", "string", 36, False),
    ("externalOpportunityId", "string", 50, False),
    ("name", "string", 255, True),
    ("description", "text", None, True),
    ("amount", "currency", None, True),
    ("quantity", "float", None, True),
    ("probability", "integer", None, True),
    ("isWon", "boolean", None, True),
    ("closeDate", "date", None, True),
    ("externalCreatedDate", "datetime", None, True),
    ("fiscal", "string", 10, False),
    ("deal_size", "integer", None, True),
    ("dealSize", "string", 20, True),
    ("createdAt", "datetime", None, False),
    ("updatedAt", "datetime", None, False),
]


DESCRIPTION = ObjectDescription(
    name="opportunity",
    id_field="marketoGUID",
    dedupe_fields=("externalOpportunityId",),
    searchable_fields=(("externalOpportunityId",),),
    fields=tuple(
        FieldDescription(name, name, kind, length, updateable)
        for name, kind, length, updateable in FIELDS
    ),
)


ROLES = ObjectDescription(
    name="opportunityRole",
    id_field="marketoGUID",
    dedupe_fields=("externalOpportunityId", "leadId", "role"),
    searchable_fields=(("leadId",),),
    fields=(
        FieldDescription("externalOpportunityId", "", "string", 50, updateable=False),
        FieldDescription("leadId", "", "integer", updateable=False),
        FieldDescription("role", "", "string", 50, updateable=False),
        FieldDescription("isPrimary", "", "boolean"),
    ),
)


def body(mapping, **values):
    mapped = mapping.map({"externalOpportunityId": "K", **values})
    return msgspec.json.decode(mapped.body, type=dict) | {}


def written(mapping, name, value):
    raw = mapping.map({"externalOpportunityId": "K", name: value}).body
    return msgspec.json.Decoder(float_hook=Decimal).decode(raw).get(name, "absent")
