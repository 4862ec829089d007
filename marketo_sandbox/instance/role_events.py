"""Activities that the log of a lead gets when its roles or their opportunities change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.activity_log import (
    IS_PRIMARY,
    REMOVED,
    ROLE_NAME,
    UPDATED,
    VALUE_CHANGES,
    Event,
)
from marketo_sandbox.instance.records import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from marketo_sandbox.instance.describe import ObjectType
    from marketo_sandbox.instance.storage import Row, Storage

Change = dict[str, Any]


def role_event(
    type_id: int, role: Row, opportunity: Row, changes: Sequence[Change] | None = None
) -> Event:
    """Return the activity to log for a role's lead when the role or its opportunity changes.

    Args:
        type_id: id of the activity type.
        role: the role.
        opportunity: the opportunity of the role.
        changes: changed field values of an update, as ``value_changes`` returns them.
    """
    body = decode(role.body)
    attributes: dict[str, Any] = {
        ROLE_NAME: body["role"],
        IS_PRIMARY: body.get("isPrimary", False),
    }
    if changes is not None:
        attributes[VALUE_CHANGES] = encode(changes).decode()
    label = decode(opportunity.body).get("name", "")
    return Event(type_id, role.lead or 0, opportunity.id, label, attributes)


def value_changes(
    obj: ObjectType, before: Mapping[str, Any], changed: Mapping[str, Any]
) -> list[Change]:
    """Return name, old and new value of each changed field, as activities of an update list them.

    Args:
        obj: the object: opportunity or role.
        before: field values before the update.
        changed: field values that the update sets.
    """
    return [
        {
            # The name in Marketo's user interface, as in "Change Data Value".
            "attributeName": obj.by_name[name].display_name,
            "oldValue": before.get(name),
            "newValue": value,
        }
        for name, value in changed.items()
        if before.get(name) != value
    ]


def update_events(
    storage: Storage, changes: Mapping[int, Sequence[Change]], opportunities: Iterable[Row]
) -> Iterator[Event]:
    """Yield for each updated opportunity one activity for each lead that has a role in it.

    Args:
        storage: the storage with the roles.
        changes: changed field values as ``value_changes`` returns them, by opportunity number.
        opportunities: the updated opportunities.
    """
    by_key = {row.key: row for row in opportunities}
    logged: set[tuple[str, int]] = set()
    for role in storage.find("role", "parent", list(by_key)):
        key, lead = role.parent or "", role.lead or 0
        if (key, lead) not in logged:
            logged.add((key, lead))
            opportunity = by_key[key]
            yield role_event(UPDATED, role, opportunity, changes[opportunity.id])


def removal_events(roles: Iterable[Row], opportunities: Mapping[str, Row]) -> Iterator[Event]:
    """Yield one activity for each removed role.

    Args:
        roles: the removed roles.
        opportunities: the opportunities of the roles, by dedupe key.
    """
    return (role_event(REMOVED, role, opportunities[role.parent or ""]) for role in roles)
