"""The activity log: what happens to opportunities and roles, by the leads concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.instance.values import format_moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.instance.storage import Storage
    from marketo_sandbox.options import SandboxOptions

ADDED, REMOVED, UPDATED = 34, 35, 36


def _type(number: int, name: str, description: str, primary: str, *others: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": description,
        "primaryAttribute": {"name": primary, "dataType": "string"},
        "attributes": [{"name": other, "dataType": "string"} for other in others],
    }


ACTIVITY_TYPES = (
    _type(1, "Visit Webpage", "User visits a web page", "Webpage ID", "Webpage URL"),
    _type(2, "Fill Out Form", "User fills out and submits form on web page", "Webform ID"),
    _type(12, "New Lead", "New person/record is added to the database", "Lead ID", "Source Type"),
    _type(13, "Change Data Value", "Changed attribute value for a person", "Attribute Name"),
    _type(ADDED, "Add to Opportunity", "Person is added to an opportunity", "Opportunity", "Role"),
    _type(REMOVED, "Remove from Opportunity", "Person is removed from one", "Opportunity", "Role"),
    _type(
        UPDATED, "Update Opportunity", "Opportunity attribute is updated", "Opportunity", "Changed"
    ),
)


class Event(NamedTuple):
    """An activity of a lead: something that happened to its role in an opportunity."""

    type: int
    lead: int
    asset: int
    label: str
    attributes: dict[str, str]


class ActivityLog:
    """Write activities, and read them page by page.

    Args:
        storage: where the log is kept.
        clock: dates the activities.
        options: delay, scan length and retention.
    """

    def __init__(self, storage: Storage, clock: Clock, options: SandboxOptions) -> None:
        self._storage = storage
        self._clock = clock
        self._options = options

    def write(self, events: Iterable[Event]) -> None:
        """Add activities of now; they become visible after the delay in force."""
        now = int(self._clock.seconds())
        visible = now + self._options.activity_delay_seconds
        self._storage.add_activities(_row(event, now, visible) for event in events)

    def write_past(self, dated: Iterable[tuple[int, Event]]) -> None:
        """Add activities of the past, each with its time in seconds since 1970."""
        self._storage.add_activities(_row(event, when, when) for when, event in dated)

    def read(
        self,
        position: tuple[int, int],
        types: Collection[int],
        leads: Collection[int] | None,
        limit: int,
    ) -> tuple[list[dict[str, Any]], tuple[int, int], bool]:
        """Return a page of matching activities, the position after it, and True if more follow.

        A page looks at no more than ``activity_scan`` activities of any type, so it may hold few
        matching ones, or none, while more follow.
        """
        scan = self._options.activity_scan
        rows = self._storage.activities(
            max(position, self._oldest()), self._clock.seconds(), scan + 1
        )
        found: list[dict[str, Any]] = []
        scanned = 0
        for row in rows[:scan]:
            if _matches(row, types, leads):
                if len(found) == limit:
                    break
                found.append(self._to_activity(row))
            position = (row[1], row[0])
            scanned += 1
        return found, position, scanned < len(rows)

    def _to_activity(self, row: tuple[Any, ...]) -> dict[str, Any]:
        number, date, lead, kind, asset, label, attributes = row
        pairs = msgspec.json.decode(attributes)
        with_offset = "offsets" in self._options.dialects
        return {
            "id": number,
            "marketoGUID": str(number),
            "leadId": lead,
            "activityDate": format_moment(date, with_offset=with_offset),
            "activityTypeId": kind,
            "primaryAttributeValueId": asset,
            "primaryAttributeValue": label,
            "attributes": [{"name": name, "value": value} for name, value in pairs.items()],
        }

    def _oldest(self) -> tuple[int, int]:
        kept = self._options.activity_retention_days * DAY_SECONDS
        return int(self._clock.seconds()) - kept, 0


def _row(event: Event, date: int, visible: float) -> tuple[Any, ...]:
    attributes = msgspec.json.encode(event.attributes).decode()
    return (date, visible, event.lead, event.type, event.asset, event.label, attributes)


def _matches(row: tuple[Any, ...], types: Collection[int], leads: Collection[int] | None) -> bool:
    return row[3] in types and (leads is None or row[2] in leads)
