"""The streams whose records are entries of the activity log."""

from __future__ import annotations

import functools
import typing as t

from tap_marketo_opps.field_names import FieldNames
from tap_marketo_opps.finding.activity_log import (
    ACTIVITIES,
    ACTIVITY_DATE,
    CHANGES,
    ROLE_CHANGES,
    activity_type_id,
)
from tap_marketo_opps.finding.activity_types import ADD, REMOVE, UPDATE
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.log_changes import (
    UnreadableChangesError,
    attributes_of,
    field_changes,
    role_change,
)
from tap_marketo_opps.schemas import (
    ATTRIBUTES,
    CHANGED_FIELD,
    activities_schema,
    changes_schema,
    role_changes_schema,
)
from tap_marketo_opps.streams import LookupStream

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from singer_sdk import Tap

    from marketo_opps import Record
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.sync.run_context import StreamRun
    from tap_marketo_opps.sync.stream_output import ConvertPage

_CHANGE = {ADD: "added", REMOVE: "removed"}

StartRun = t.Callable[[LookupStream], "StreamRun | None"]


def log_streams(
    tap: Tap, start_run: StartRun, activity_types: Callable[[], FollowedTypes]
) -> list[LookupStream]:
    """Return the streams whose records are entries of the activity log.

    Args:
        tap: The tap that the streams belong to.
        start_run: Returns the run that finds a stream's records; None if an earlier stream
            started it.
        activity_types: Returns the activity types that the tap reads.
    """
    kinds = (OpportunityActivitiesStream, OpportunityChangesStream, OpportunityRoleChangesStream)
    return [kind(tap, start_run, activity_types) for kind in kinds]


class LogStream(LookupStream):
    """Base class of the streams whose records are entries of the activity log.

    Args:
        tap: The tap that the stream belongs to.
        start_run: Returns the run that finds the stream's records; None if an earlier stream
            started it.
        activity_types: Returns the activity types that the tap reads.
    """

    own_replication_key = ACTIVITY_DATE
    selected_by_default = False
    found_in = ACTIVITIES
    own_name: str

    def __init__(
        self, tap: Tap, start_run: StartRun, activity_types: Callable[[], FollowedTypes]
    ) -> None:
        super().__init__(tap, self.own_name, self.own_schema(), start_run)
        self._activity_types = activity_types

    @staticmethod
    def own_schema() -> dict[str, t.Any]:
        """Return the JSON schema of the stream's records."""
        raise NotImplementedError

    def type_name(self, entry: Record) -> str | None:
        """Return the standard name of an entry's activity type; None if the tap ignores it."""
        return self._activity_types().names.get(activity_type_id(entry))


class OpportunityActivitiesStream(LogStream):
    """The stream of all log entries about opportunities, as Marketo sends them."""

    own_name = ACTIVITIES
    own_schema = staticmethod(activities_schema)

    def page_converter(self) -> ConvertPage:
        """Return a function that converts the records of a page one by one.

        That is fast enough, because pages of the activity log are small.
        """
        return self.convert_each

    @functools.cached_property
    def convert_record(self) -> Callable[[Record], Record]:
        """Return a function that converts an activity and adds its type's name and attributes."""
        convert = super().convert_record
        has_attributes = ATTRIBUTES in self.selected_fields

        def convert_activity(activity: Record) -> Record:
            plain = {name: value for name, value in activity.items() if name != ATTRIBUTES}
            typed = convert({**plain, "activityType": self.type_name(activity)})
            return typed | ({ATTRIBUTES: attributes_of(activity)} if has_attributes else {})

        return convert_activity


class OpportunityChangesStream(LogStream):
    """The stream of field changes in "Update Opportunity" entries, one record per field."""

    own_name = CHANGES
    own_schema = staticmethod(changes_schema)
    own_keys = (*LogStream.own_keys, CHANGED_FIELD)

    def records_in(self, found: Sequence[Record]) -> Sequence[Record]:
        """Return the field changes recorded in a page of log entries."""
        return [change for entry in found for change in self._changes_of(entry)]

    def _changes_of(self, entry: Record) -> Iterable[Record]:
        if self.type_name(entry) != UPDATE:
            return ()
        try:
            return field_changes(entry, self._field_names.api_name)
        except UnreadableChangesError as error:
            self.counts.unreadable += 1
            return error.readable

    @functools.cached_property
    def _field_names(self) -> FieldNames:
        # The schemas come from describe or from a catalog, which saves a describe call here.
        streams = self._plugin.streams
        deals, roles = (
            streams[name].schema["properties"] if name in streams else {}
            for name in (OPPORTUNITIES, ROLES)
        )
        # Fields of the lead that are added to roles are not fields of the role.
        own = {name: each for name, each in roles.items() if not name.startswith("lead_")}
        return FieldNames([deals, own])


class OpportunityRoleChangesStream(LogStream):
    """The stream of leads added to or removed from opportunities."""

    own_name = ROLE_CHANGES
    own_schema = staticmethod(role_changes_schema)

    def records_in(self, found: Sequence[Record]) -> Sequence[Record]:
        """Return the role changes recorded in a page of log entries."""
        return [*self._changes_in(found)]

    def _changes_in(self, found: Sequence[Record]) -> Iterator[Record]:
        for entry in found:
            if change := _CHANGE.get(self.type_name(entry) or ""):
                yield role_change(entry, change)
