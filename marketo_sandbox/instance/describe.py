"""The objects opportunity and opportunity role: fields, dedupe fields and searchable fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

SEARCHABLE_CUSTOM_TYPES = frozenset({"string", "integer"})
PLURALS = {"opportunity": "Opportunities", "opportunityRole": "Opportunity Roles"}
MANAGED = frozenset({"marketoGUID", "createdAt", "updatedAt"})


@dataclass(frozen=True)
class Field:
    """A field of a Marketo object, such as opportunity.

    Attributes:
        name: API name.
        display_name: name in Marketo's UI.
        data_type: Marketo's data type.
        length: maximum number of characters, or None for no limit.
        updateable: True if updates can set the field.
        custom: True for a custom field.
        crm_managed: True if a native CRM sync manages the field.
        schema_name: display name at the schema endpoint, or None if it is ``display_name``.
        listed: True if describe lists the field; unlisted fields can be requested too.
    """

    name: str
    display_name: str
    data_type: str
    length: int | None = None
    updateable: bool = True
    custom: bool = False
    crm_managed: bool = False
    schema_name: str | None = None
    listed: bool = True

    def to_describe(self) -> dict[str, Any]:
        """Return the field as an element of ``fields`` in a describe response."""
        entry: dict[str, Any] = {
            "name": self.name,
            "displayName": self.display_name,
            "dataType": self.data_type,
        }
        if self.length is not None:
            entry["length"] = self.length
        entry["updateable"] = self.updateable
        if self.crm_managed:
            entry["crmManaged"] = True
        return entry

    def to_schema(self) -> dict[str, Any]:
        """Return the field as an element of ``result`` in a response of the schema endpoint."""
        entry: dict[str, Any] = {
            "displayName": self.schema_name or self.display_name,
            "name": self.name,
            "description": None,
            "dataType": self.data_type,
        }
        if self.length is not None:
            entry["length"] = self.length
        return entry | {
            "isHidden": False,
            "isHtmlEncodingInEmail": True,
            "isSensitive": False,
            "isCustom": self.custom,
            "isApiCreated": self.custom,
        }


@dataclass(frozen=True)
class ObjectType:
    """An object type of Marketo, such as opportunity, with its fields.

    Attributes:
        name: API name.
        display_name: name in Marketo's UI.
        table: name of the storage table with its records.
        dedupe_fields: names of the dedupe fields.
        searchable_alone: names of the fields by which a query can filter.
        fields: all fields.
        id_field: name of the id field.
        by_name: all fields, by API name.
    """

    name: str
    display_name: str
    table: str
    dedupe_fields: tuple[str, ...]
    searchable_alone: tuple[str, ...]
    fields: tuple[Field, ...]
    id_field: str = "marketoGUID"
    by_name: dict[str, Field] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name: each for each in self.fields})

    def searchable(self) -> list[list[str]]:
        """Return the keys by which a query can filter, each as a list of field names.

        Describe responses show this list as ``searchableFields``.
        """
        compound = [list(self.dedupe_fields)] if len(self.dedupe_fields) > 1 else []
        return compound + [[name] for name in self.searchable_alone]

    def default_fields(self, filter_field: str | None) -> list[str]:
        """Return the names of the fields that a query returns if it does not name any.

        Args:
            filter_field: name of the field that the query filters by, or None for a compound key.
        """
        names = [self.id_field, *self.dedupe_fields, "createdAt", "updatedAt"]
        if filter_field is not None and filter_field not in names:
            names.append(filter_field)
        return names

    def to_describe(self, since: str, *, dates: bool = False) -> dict[str, Any]:
        """Return the description of this object type that a describe call responds with.

        Args:
            since: the date to show as creation and update date of the object type.
            dates: True to list also the fields with ``listed=False``, createdAt and updatedAt.
        """
        return {
            "name": self.name,
            "displayName": self.display_name,
            "createdAt": since,
            "updatedAt": since,
            "idField": self.id_field,
            "dedupeFields": list(self.dedupe_fields),
            "searchableFields": self.searchable(),
            "fields": [each.to_describe() for each in self.fields if each.listed or dates],
        }


def with_api_names(described: dict[str, Any]) -> dict[str, Any]:
    """Convert a describe result to the format of Adobe's OpenAPI description.

    This format has ``apiName`` in place of ``name``, and more members, such as ``pluralName``.
    """
    return {
        "apiName": described["name"],
        "description": described["displayName"],
        "pluralName": PLURALS[described["name"]],
        "relationships": [],
        "state": "approved",
        "version": "approved",
        **{name: each for name, each in described.items() if name != "name"},
    }


def _managed(name: str, display_name: str) -> Field:
    return Field(name, display_name, "datetime", updateable=False)


_GUID = Field("marketoGUID", "Marketo GUID", "string", 36, updateable=False)
_CREATED = _managed("createdAt", "Created At")
_UPDATED = _managed("updatedAt", "Updated At")
_EXTERNAL_ID = Field(
    "externalOpportunityId",
    "External Opportunity Id",
    "string",
    50,
    updateable=False,
    schema_name="SFDC Oppty Id",
)

STANDARD_FIELDS = (
    _GUID,
    _CREATED,
    _UPDATED,
    _EXTERNAL_ID,
    Field("name", "Name", "string", 255),
    Field("description", "Description", "string", 2000),
    Field("type", "Type", "string", 255),
    Field("stage", "Stage", "string", 255),
    Field("amount", "Amount", "currency"),
    Field("expectedRevenue", "Expected Revenue", "currency"),
    Field("quantity", "Quantity", "float"),
    Field("probability", "Probability", "integer"),
    Field("closeDate", "Close Date", "date"),
    Field("externalCreatedDate", "External Created Date", "datetime"),
    Field("fiscal", "Fiscal", "string", 50),
    Field("fiscalQuarter", "Fiscal Quarter", "string", 50),
    Field("fiscalYear", "Fiscal Year", "string", 50),
    Field("forecastCategory", "Forecast Category", "string", 255),
    Field("isClosed", "Is Closed", "boolean"),
    Field("isWon", "Is Won", "boolean"),
    Field("lastActivityDate", "Last Activity Date", "date"),
    Field("nextStep", "Next Step", "string", 255),
    Field("source", "Source", "string", 255),
    Field("externalSalesPersonId", "External Sales Person Id", "string", 50),
    Field("externalCompanyId", "External Company Id", "string", 50),
)


def _custom(name: str, display_name: str, data_type: str, length: int | None = None) -> Field:
    return Field(name, display_name, data_type, length, custom=True)


CUSTOM_FIELDS = (
    _custom("region", "Region", "string", 100),
    _custom("legacyNumber", "Legacy Number", "integer"),
    _custom("hasRenewal", "Has Renewal", "boolean"),
    _custom("renewalDate", "Renewal Date", "date"),
    _custom("lastTouchedAt", "Last Touched At", "datetime"),
    _custom("discountValue", "Discount Value", "currency"),
    _custom("margin", "Margin", "float"),
    _custom("discountPercent", "Discount Percent", "percent"),
    _custom("fitScore", "Fit Score", "score"),
    _custom("notes", "Notes", "text"),
    _custom("contactEmail", "Contact Email", "email", 255),
    _custom("contactPhone", "Contact Phone", "phone", 255),
    _custom("dealRoom", "Deal Room", "url", 255),
    _custom("parentDeal", "Parent Deal", "reference", 255),
    # An undocumented type, as real instances have some: clients must not fail on it.
    _custom("territory", "Territory", "geohash", 64),
    replace(_custom("crmOwner", "CRM Owner", "string", 255), updateable=False, crm_managed=True),
)


def _searchable(fields: tuple[Field, ...]) -> tuple[str, ...]:
    custom = [each.name for each in fields if each.custom]
    types = {each.name: each.data_type for each in fields}
    found = [name for name in custom if types[name] in SEARCHABLE_CUSTOM_TYPES]
    # Adobe's page does not list the two links to other objects, but a recorded instance has them.
    links = ("externalCompanyId", "externalSalesPersonId")
    return ("externalOpportunityId", "marketoGUID", *links, *found)


OPPORTUNITY = ObjectType(
    name="opportunity",
    display_name="Opportunity",
    table="opportunity",
    dedupe_fields=("externalOpportunityId",),
    searchable_alone=_searchable(STANDARD_FIELDS + CUSTOM_FIELDS),
    fields=STANDARD_FIELDS + CUSTOM_FIELDS,
)

ROLE = ObjectType(
    name="opportunityRole",
    display_name="Opportunity Role",
    table="role",
    dedupe_fields=("externalOpportunityId", "leadId", "role"),
    searchable_alone=("marketoGUID", "leadId", "externalOpportunityId"),
    fields=(
        _GUID,
        # Not in the describe response that Adobe prints, but queries return them by default.
        replace(_CREATED, listed=False),
        replace(_UPDATED, listed=False),
        _EXTERNAL_ID,
        Field("leadId", "Lead Id", "integer", updateable=False),
        Field("role", "Role", "string", 50, updateable=False),
        Field("isPrimary", "Is Primary", "boolean"),
        Field("externalCreatedDate", "External Created Date", "datetime"),
    ),
)
