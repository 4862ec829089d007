"""The lead object: its fields and searchable fields, and its two describe responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marketo_sandbox.instance.describe import SEARCHABLE_CUSTOM_TYPES, Field, ObjectType

ID, EMAIL = "id", "email"
DEFAULT_FIELDS = (ID, EMAIL, "createdAt", "updatedAt", "firstName", "lastName")


def _managed(name: str, display_name: str, data_type: str) -> Field:
    return Field(name, display_name, data_type, updateable=False)


def _custom(name: str, display_name: str, data_type: str, length: int | None = None) -> Field:
    return Field(name, display_name, data_type, length, custom=True)


_FIELDS = (
    _managed(ID, "Id", "integer"),
    Field(EMAIL, "Email Address", "email", 255),
    Field("firstName", "First Name", "string", 255),
    Field("lastName", "Last Name", "string", 255),
    Field("company", "Company Name", "string", 255),
    Field("leadScore", "Person Score", "integer"),
    Field("unsubscribed", "Unsubscribed", "boolean"),
    # A real instance lets only its CRM sync write this field; here tests have to set it.
    replace(Field("sfdcContactId", "SFDC Contact Id", "string", 18), crm_managed=True),
    _managed("createdAt", "Created At", "datetime"),
    _managed("updatedAt", "Updated At", "datetime"),
    _custom("customerCode", "Customer Code", "string", 50),
    _custom("memberNumber", "Member Number", "integer"),
    _custom("interests", "Interests", "text"),
)
_CUSTOM = tuple(
    each.name for each in _FIELDS if each.custom and each.data_type in SEARCHABLE_CUSTOM_TYPES
)

LEAD = ObjectType(
    name="lead",
    display_name="Lead",
    table="lead",
    dedupe_fields=(EMAIL,),
    searchable_alone=(ID, EMAIL, "sfdcContactId", *_CUSTOM),
    fields=_FIELDS,
    id_field=ID,
)

# A field that only SOAP has comes without a member "rest": Adobe, "Leads", Describe.
_SOAP_ALONE = {
    "id": 900,
    "displayName": "Anonymous IP",
    "dataType": "string",
    "length": 255,
    "soap": {"name": "AnonymousIP", "readOnly": True},
}


def describe_fields() -> list[dict[str, Any]]:
    """Return all lead fields as ``leads/describe.json`` shows them."""
    return [*(_described(number, each) for number, each in enumerate(_FIELDS, 1)), _SOAP_ALONE]


def _described(number: int, field: Field) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": number,
        "displayName": field.display_name,
        "dataType": field.data_type,
    }
    if field.length is not None:
        entry["length"] = field.length
    read_only = not field.updateable
    soap_name = field.name[:1].upper() + field.name[1:]
    return entry | {
        "rest": {"name": field.name, "readOnly": read_only},
        "soap": {"name": soap_name, "readOnly": read_only},
    }


def describe_searchable() -> dict[str, Any]:
    """Return the lead object as ``leads/describe2.json`` shows it, with its searchable fields."""
    fields = [each.to_describe() | {"crmManaged": each.crm_managed} for each in _FIELDS]
    return {"name": "API Lead", "searchableFields": LEAD.searchable(), "fields": fields}
