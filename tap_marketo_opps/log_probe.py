"""Search for the first entry of an activity type in the activity log, in few calls."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from marketo_opps import LogPaging
from tap_marketo_opps.finding.activity_log import activity_date, lead_id
from tap_marketo_opps.sync.log_reach import KEPT_DAYS
from tap_marketo_opps.timestamps import to_iso_utc

if t.TYPE_CHECKING:
    from datetime import datetime

    from marketo_opps import MarketoClient, Page

PAGES = 5

# Marketo keeps entries about added and removed roles for 25 months.
_ROLE_DAYS = 760
_UPDATE = "Update Opportunity"


def days_kept(name: str) -> int:
    """Return for how many days Marketo keeps activities of a type, given its standard name."""
    return KEPT_DAYS if name == _UPDATE else _ROLE_DAYS


@dataclass(frozen=True, slots=True)
class LogProbe:
    """The result of a search in the activity log for the first activities of one type.

    Attributes:
        since: Timestamp from which the log was read.
        first: Timestamp of the first activity; None if none was found.
        leads: IDs of the leads of the activities found.
        is_whole: True if the log was read to its end.
    """

    since: str
    first: str | None
    leads: tuple[str, ...]
    is_whole: bool


def probe_log(client: MarketoClient, type_id: int, since: datetime) -> LogProbe:
    """Search the activity log for the first activities of one type, in up to five pages.

    Raises:
        MarketoError: The log cannot be read, or a page has no usable token for the next page.
    """
    token, paging = client.paging_token(since), LogPaging()
    for _ in range(PAGES):
        page = client.activities(next_page_token=token, activity_type_ids=[type_id])
        page = paging.resolved(page, token)
        if page.records or not page.more:
            return _found(page, to_iso_utc(since))
        token = str(page.next_page_token)
    return LogProbe(to_iso_utc(since), None, (), is_whole=False)


def since_kept(client: MarketoClient, name: str) -> datetime:
    """Return the time since which Marketo still keeps activities of a type."""
    return client.server_now() - timedelta(days=days_kept(name))


def _found(page: Page, since: str) -> LogProbe:
    leads = dict.fromkeys(str(lead_id(activity)) for activity in page.records)
    first = min(map(activity_date, page.records), default=None)
    return LogProbe(since, first, tuple(leads), is_whole=not page.more)
