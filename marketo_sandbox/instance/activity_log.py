"""The activity log: activities of leads, among them changes of their opportunities and roles."""

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

NEW_LEAD, MERGED, ADDED, REMOVED, UPDATED, DELETED = 12, 32, 34, 35, 36, 37

# Marketo's retention page: most types 25 months, frequent types 90 days, deleted leads 14 days.
LONGEST_KEPT_DAYS = 760
_KEPT_DAYS = {1: 90, 2: 90, 13: 90, UPDATED: 90, DELETED: 14}


def _type(number: int, name: str, description: str, primary: str, *others: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": description,
        "primaryAttribute": {"name": primary, "dataType": DATA_TYPES.get(primary, "string")},
        "attributes": [
            {"name": other, "dataType": DATA_TYPES.get(other, "string")} for other in others
        ],
    }


ROLE_NAME, IS_PRIMARY, VALUE_CHANGES = "Role", "Is Primary", "Data Value Changes"
MERGE_IDS, SOURCE_TYPE = "Merge IDs", "Source Type"
DATA_TYPES = {"Opp ID": "integer", "Lead ID": "integer", IS_PRIMARY: "boolean"}
_DEAL = ("Opp ID", ROLE_NAME, IS_PRIMARY)
ACTIVITY_TYPES = (
    _type(1, "Visit Webpage", "User visits a web page", "Webpage ID", "Webpage URL"),
    _type(2, "Fill Out Form", "User fills out and submits form on web page", "Webform ID"),
    _type(NEW_LEAD, "New Lead", "New record is added to the database", "Lead ID", SOURCE_TYPE),
    _type(13, "Change Data Value", "Changed attribute value for a person", "Attribute Name"),
    _type(MERGED, "Merge Leads", "Two or more people are merged", "Lead ID", MERGE_IDS),
    _type(ADDED, "Add to Opportunity", "Person is added to an opportunity", *_DEAL),
    _type(REMOVED, "Remove from Opportunity", "Person is removed from one", *_DEAL),
    _type(UPDATED, "Update Opportunity", "Opportunity is updated", *_DEAL, VALUE_CHANGES),
    _type(DELETED, "Delete Lead", "Person is deleted from the database", "Lead ID"),
)


def kept_days(type_id: int, options: SandboxOptions) -> int:
    """Return for how many days the activity log keeps activities of a type."""
    if options.activity_retention_days is not None:
        return options.activity_retention_days
    return _KEPT_DAYS.get(type_id, LONGEST_KEPT_DAYS)


class Event(NamedTuple):
    """An activity of a lead before it is written to the log.

    Attributes:
        type: id of the activity type.
        lead: id of the lead.
        asset: id in ``primaryAttributeValueId``, such as an opportunity's number.
        label: text in ``primaryAttributeValue``, such as an opportunity's name.
        attributes: other attributes, by name.
    """

    type: int
    lead: int
    asset: int
    label: str
    attributes: dict[str, Any]


class LogFilter(NamedTuple):
    """A filter of activities; an attribute that is None does not restrict the activities.

    Attributes:
        types: ids of activity types.
        leads: ids of leads.
        assets: values of ``primaryAttributeValueId``.
        members: ids of the leads on the static list to which the call restricts activities.
    """

    types: Collection[int]
    leads: Collection[int] | None = None
    assets: Collection[int] | None = None
    members: Collection[int] | None = None

    def accepts(self, row: tuple[Any, ...]) -> bool:
        """Return True if this filter accepts a stored activity, given as a row of the storage."""
        _, _, lead, kind, asset, _, _ = row
        return (
            kind in self.types
            and all(lead in each for each in (self.leads, self.members) if each is not None)
            and (self.assets is None or asset in self.assets)
        )


class ActivityLog:
    """Write activities to the log, and read them page by page.

    Args:
        storage: the storage that holds the log.
        clock: the instance's clock, which dates new activities.
        options: options of the instance; those that start with ``activity_`` apply.
    """

    def __init__(self, storage: Storage, clock: Clock, options: SandboxOptions) -> None:
        self._storage = storage
        self._clock = clock
        self._options = options

    def write(self, events: Iterable[Event]) -> None:
        """Add activities to the log, dated now by the instance's clock.

        The API returns them only after ``activity_delay_seconds``.
        """
        now = int(self._clock.seconds())
        visible = now + self._options.activity_delay_seconds
        self._storage.add_activities(_row(event, now, visible) for event in events)

    def write_past(self, dated: Iterable[tuple[int, Event]]) -> None:
        """Add activities of the past, given as pairs of date (seconds since 1970) and activity."""
        self._storage.add_activities(_row(event, when, when) for when, event in dated)

    def read(
        self,
        position: tuple[int, int],
        wanted: LogFilter,
        limit: int,
    ) -> tuple[list[dict[str, Any]], tuple[int, int], bool]:
        """Return a page of the activities that match a filter, and where the next page begins.

        A page examines no more than ``activity_scan`` activities of any type, so it may hold few
        matching activities, or none, although more follow.

        Args:
            position: date and id of the activity after which the page begins.
            wanted: the filter of activities.
            limit: maximum number of activities to return.

        Returns:
            The matching activities, the position after which the next page begins, and True if
            activities remain to be examined.
        """
        scan = self._options.activity_scan
        rows = self._storage.activities(
            max(position, (self._oldest(), 0)), self._clock.seconds(), scan + 1
        )
        found: list[dict[str, Any]] = []
        scanned = 0
        for row in rows[:scan]:
            if wanted.accepts(row) and row[1] >= self._oldest_of(row[3]):
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

    def _oldest(self) -> int:
        return min(map(self._oldest_of, (each["id"] for each in ACTIVITY_TYPES)))

    def _oldest_of(self, type_id: int) -> int:
        return int(self._clock.seconds()) - kept_days(type_id, self._options) * DAY_SECONDS


def _row(event: Event, date: int, visible: float) -> tuple[Any, ...]:
    attributes = msgspec.json.encode(event.attributes).decode()
    return (date, visible, event.lead, event.type, event.asset, event.label, attributes)
