"""Rules for which records are new enough to be emitted, or emitted regardless of age; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import FieldDescription
from marketo_opps.fields import UPDATED_AT, reader
from tap_marketo_opps.finding.activity_log import LEAD_ID, activity_type_id, lead_id, read_lead_id
from tap_marketo_opps.finding.lead_ranges import lead_ranges
from tap_marketo_opps.finding.page_result import never_force
from tap_marketo_opps.timestamps import max_or_none, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from marketo_opps import Record
    from tap_marketo_opps.finding.page_result import Key

# The log may lag behind `updatedAt`, but a lead's other, older opportunities are not emitted again.
_DAY_SECONDS = 86_400

_read_timestamp = reader(FieldDescription(UPDATED_AT, "", "datetime"))


def emit_since(log_from: str, start_date: str | None) -> str:
    """Return the timestamp before which a record found through the activity log is not emitted.

    This is a day before `log_from`, because a log entry may be dated later than the change of its
    record, but not before `start_date`. If `log_from` itself is before `start_date`, as a bookmark
    can require, `start_date` is ignored.

    Args:
        log_from: Timestamp from which the log is read.
        start_date: Value of the setting, as a timestamp.
    """
    earlier = minus_seconds(log_from, _DAY_SECONDS)
    not_before = start_date if start_date and start_date <= log_from else None
    return max_or_none(earlier, not_before) or earlier


def changed_since(since: str | None) -> Callable[[Record], bool]:
    """Return a function that returns True for a record changed at or after a timestamp.

    A record without a readable `updatedAt` counts as changed. If the timestamp is None, every
    record counts as changed.
    """

    def is_new(record: Record) -> bool:
        try:
            return since is None or str(_read_timestamp(record[UPDATED_AT])) >= since
        except (KeyError, ValueError):
            return True

    return is_new


def leads_touched(activities: Iterable[Record], merges: Collection[int]) -> Iterator[Key]:
    """Yield the lead ID of each activity, as a key to look up the lead's roles.

    With each ID comes True if all roles of the lead are emitted, however old they are; False if
    only new ones. It is True for a lead into which others were merged: roles that moved to it may
    keep their `updatedAt`, and no other activity records the move.

    Args:
        activities: The activities.
        merges: IDs of the activity types about merged leads.
    """
    for activity in activities:
        yield str(lead_id(activity)), activity_type_id(activity) in merges


@dataclass(frozen=True, slots=True)
class Sweep:
    """A lead sweep, which is a run that reads the roles of given leads; later runs read the log.

    Attributes:
        leads: Label of the leads, which contains their ranges if they have any.
        began: Timestamp of its beginning; later changes are in the activity log.
    """

    leads: str
    began: str


def never_swept(sweeps: Iterable[Sweep]) -> Callable[[Record], bool]:
    """Return a function that returns True for a role that no earlier run has read.

    A lead sweep is a run that reads the roles of given leads. A role counts as unread if its lead
    is outside the ranges of one of the sweeps, and the role is older than that sweep. Sweeps of
    lead files are ignored, because a file has no range.
    """
    known = {(sweep.began, tuple(lead_ranges(sweep.leads))) for sweep in sweeps}
    ranges = [(changed_since(began), leads) for began, leads in known if leads]
    if not ranges:
        return never_force

    def is_untold(role: Record) -> bool:
        return any(is_beyond(role, leads) and not is_new(role) for is_new, leads in ranges)

    return is_untold


def is_beyond(role: Record, ranges: Iterable[range]) -> bool:
    """Return True if none of the given ranges of lead IDs contains the ID of a role's lead."""
    try:
        lead = read_lead_id(role[LEAD_ID])
    except (KeyError, ValueError):
        return True
    return not any(lead in leads for leads in ranges)
