"""Conversion of activity log entries to records of field changes and role changes; pure.

The form of the entries is documented by Adobe's Experience Platform mapping and by public models of
loaded logs, but not by the API documentation, so several forms are accepted.
"""

from __future__ import annotations

import json
import typing as t

from marketo_opps.fields import MARKETO_GUID
from tap_marketo_opps.finding.activity_log import ACTIVITY_DATE, LEAD_ID
from tap_marketo_opps.schemas import ATTRIBUTES, CHANGED_FIELD

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from marketo_opps import Record

_ROLE, _IS_PRIMARY, _VALUE_CHANGES = "role", "isprimary", "datavaluechanges"


class UnreadableChangesError(ValueError):
    """Raised when some or all of the changes in a log entry cannot be read.

    Attributes:
        readable: Records of the changes that can be read.
    """

    def __init__(self, readable: Iterable[Record] = ()) -> None:
        super().__init__()
        self.readable = [*readable]


def attributes_of(entry: Record) -> dict[str, t.Any] | None:
    """Return the attributes of an activity log entry by name; None if they cannot be read."""
    attributes = entry.get(ATTRIBUTES)
    if not isinstance(attributes, list):
        return attributes if isinstance(attributes, dict) else None
    pairs = (pair for pair in attributes if isinstance(pair, dict))
    return {str(pair.get("name")): pair.get("value") for pair in pairs}


def field_changes(entry: Record, api_name: Callable[[str], str]) -> list[Record]:
    """Return a record for each field changed by an "Update Opportunity" entry.

    Args:
        entry: The log entry.
        api_name: Returns a field's API name, given its name in the log.

    Raises:
        UnreadableChangesError: Some or all of the changes cannot be read.
    """
    attributes = _comparable_attributes(entry)
    changes = _as_list(attributes.get(_VALUE_CHANGES))
    common = _common(entry, attributes)
    # The field is part of the record's key, so only its last change in an entry counts.
    by_field: dict[str, Record] = {}
    for change in changes:
        if name := _changed_name(change):
            field = api_name(name)
            old, new = (_as_text(change.get(each)) for each in ("oldValue", "newValue"))
            by_field[field] = {CHANGED_FIELD: field, "oldValue": old, "newValue": new, **common}
    if not all(map(_changed_name, changes)):
        raise UnreadableChangesError(by_field.values())
    return [*by_field.values()]


def role_change(entry: Record, change: str) -> Record:
    """Return the record for a log entry that a lead was added to or removed from an opportunity.

    Args:
        entry: The log entry.
        change: Value of the record's field `change`, which says whether it was added or removed.
    """
    return {"change": change, **_common(entry, _comparable_attributes(entry))}


def _common(entry: Record, attributes: Mapping[str, t.Any]) -> Record:
    return {
        MARKETO_GUID: entry.get(MARKETO_GUID),
        LEAD_ID: entry.get(LEAD_ID),
        ACTIVITY_DATE: entry.get(ACTIVITY_DATE),
        "opportunityId": entry.get("primaryAttributeValueId"),
        "opportunityName": entry.get("primaryAttributeValue"),
        "role": attributes.get(_ROLE),
        "isPrimary": attributes.get(_IS_PRIMARY),
    }


def _comparable_attributes(entry: Record) -> dict[str, t.Any]:
    attributes = attributes_of(entry) or {}
    return {_comparable(name): value for name, value in attributes.items()}


def _comparable(name: str) -> str:
    """Return the name of an attribute without spaces, underscores and case.

    In this form the display name and the API name of an attribute are equal.
    """
    return "".join(name.replace("_", " ").split()).casefold()


def _as_list(changes: t.Any) -> list[t.Any]:
    """Return an entry's changes, which are a JSON array in a string, as a list.

    Raises:
        UnreadableChangesError: The value is not a JSON array.
    """
    if isinstance(changes, str):
        try:
            # Numbers are kept as strings, so that no digit is lost.
            changes = json.loads(changes, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise UnreadableChangesError from None
    if not isinstance(changes, list):
        raise UnreadableChangesError
    return changes


def _changed_name(change: t.Any) -> str | None:
    name = change.get("attributeName") if isinstance(change, dict) else None
    return name.strip() or None if isinstance(name, str) else None


def _as_text(value: t.Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, bool | list | dict) else str(value)
