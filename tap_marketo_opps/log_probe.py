"""What the activity log holds of a type of activity, found out in few calls."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from marketo_opps import LogPaging
from tap_marketo_opps.finding.activity_log import activity_date, lead_id
from tap_marketo_opps.moments import to_iso_utc
from tap_marketo_opps.sync.log_reach import KEPT_DAYS

if t.TYPE_CHECKING:
    from datetime import datetime

    from marketo_opps import MarketoClient, Page

PAGES = 5

# 25 months: so long Marketo keeps that a role was added or removed.
_ROLE_DAYS = 760
_UPDATE = "Update Opportunity"


def days_kept(name: str) -> int:
    """Return how many days Marketo keeps entries of a type, by its standard name."""
    return KEPT_DAYS if name == _UPDATE else _ROLE_DAYS


@dataclass(frozen=True, slots=True)
class LogProbe:
    """The first entries of one type from a moment on.

    Attributes:
        since: The moment.
        first: When the first of them happened; None if none was found.
        leads: That they name.
        is_whole: True if the log has been read to its end.
    """

    since: str
    first: str | None
    leads: tuple[str, ...]
    is_whole: bool


def probe_log(client: MarketoClient, type_id: int, since: datetime) -> LogProbe:
    """Read the log of one type until an entry is found, five pages at the most.

    Raises:
        MarketoError: The log cannot be read, or is not to be read on in.
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
    """Return since when Marketo keeps entries of a type."""
    return client.server_now() - timedelta(days=days_kept(name))


def _found(page: Page, since: str) -> LogProbe:
    leads = dict.fromkeys(str(lead_id(activity)) for activity in page.records)
    first = min(map(activity_date, page.records), default=None)
    return LogProbe(since, first, tuple(leads), is_whole=not page.more)
