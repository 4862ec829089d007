"""Which records are emitted, and which of them however old they are; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import FieldDescription
from marketo_opps.fields import UPDATED_AT, reader
from tap_marketo_opps.finding.activity_log import LEAD_ID, activity_type_id, lead_id, read_lead_id
from tap_marketo_opps.finding.lead_ranges import lead_ranges
from tap_marketo_opps.finding.page_result import never_force
from tap_marketo_opps.moments import max_or_none, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from marketo_opps import Record
    from tap_marketo_opps.finding.page_result import Key

# The log may lag behind `updatedAt`, a touched lead's other deals are not to be sent again.
_DAY_SECONDS = 86_400

_read_moment = reader(FieldDescription(UPDATED_AT, "", "datetime"))


def emit_since(log_from: str, start_date: str | None) -> str:
    """Return from when on what the log leads to is emitted, if it is read from a moment on.

    A day earlier, but never before what users want: an entry may be dated later than the change
    that it tells of. Where the log is read from before `start_date`, a bookmark goes before that.
    """
    earlier = minus_seconds(log_from, _DAY_SECONDS)
    not_before = start_date if start_date and start_date <= log_from else None
    return max_or_none(earlier, not_before) or earlier


def changed_since(since: str | None) -> Callable[[Record], bool]:
    """Return a function that returns True for a record changed at or after a moment.

    A record without a date that can be read counts as changed.
    """

    def is_new(record: Record) -> bool:
        try:
            return since is None or str(_read_moment(record[UPDATED_AT])) >= since
        except (KeyError, ValueError):
            return True

    return is_new


def leads_touched(activities: Iterable[Record], merges: Collection[int]) -> Iterator[Key]:
    """Yield the leads of activities; forced where others were merged into them.

    What a merged lead brings along may keep its `updatedAt`, and be logged nowhere else.
    """
    for activity in activities:
        yield str(lead_id(activity)), activity_type_id(activity) in merges


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep of leads that a stream's log goes on from.

    Attributes:
        leads: Their label; ranges can be read of it.
        began: When it began; what changed since then, the log has told.
    """

    leads: str
    began: str


def never_swept(sweeps: Iterable[Sweep]) -> Callable[[Record], bool]:
    """Return a function that returns True for a role that neither a sweep nor the log has told.

    Its lead lies beyond the ranges of one of the sweeps, and it is older than that sweep. Of
    leads in a file nothing is known but those that are in it.
    """
    known = {(sweep.began, tuple(lead_ranges(sweep.leads))) for sweep in sweeps}
    ranges = [(changed_since(began), leads) for began, leads in known if leads]
    if not ranges:
        return never_force

    def is_untold(role: Record) -> bool:
        return any(is_beyond(role, leads) and not is_new(role) for is_new, leads in ranges)

    return is_untold


def is_beyond(role: Record, ranges: Iterable[range]) -> bool:
    """Return True if none of the ranges holds the role's lead."""
    try:
        lead = read_lead_id(role[LEAD_ID])
    except (KeyError, ValueError):
        return True
    return not any(lead in leads for leads in ranges)
