"""The first stage where nothing is given: the log of what leads did, and was done to them."""

from __future__ import annotations

import functools
import logging
import typing as t
from datetime import UTC, datetime

from marketo_opps import FieldDescription, LogPaging, MarketoError, PageTokenError
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.fields import reader
from tap_marketo_opps.finding.pending_keys import decoded, encoded
from tap_marketo_opps.finding.seen_keys import Seen
from tap_marketo_opps.finding.stages import Reading, Step
from tap_marketo_opps.sync.state import earlier, latest, parsed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import MarketoClient, Page, Record
    from tap_marketo_opps.finding.pending_keys import Backlog
    from tap_marketo_opps.finding.prefetch import Calls
    from tap_marketo_opps.finding.stages import Key
    from tap_marketo_opps.sync.state import Position

_LOGGER = logging.getLogger("tap-marketo-opps")

ACTIVITIES = "opportunity_activities"
ACTIVITY_NAMES = ("Add to Opportunity", "Remove from Opportunity", "Update Opportunity")
ACTIVITY_DATE = "activityDate"

# Adobe tells both ways whether the moment itself is included.
_INCLUSIVE_SECONDS = 1
# Marketo keeps some months of its log: to ask for what was before any log only risks a refusal.
_BEFORE_ANY_LOG = datetime(1970, 1, 1, tzinfo=UTC)

LEAD_ID = "leadId"

_read_date = reader(FieldDescription(ACTIVITY_DATE, "", "datetime"))
read_lead_id = reader(FieldDescription(LEAD_ID, "", "integer"))


class NoActivityTypesError(MarketoError):
    """The instance logs nothing about opportunities."""


def activity_types(client: MarketoClient) -> dict[int, str]:
    """Ids on this instance and names of the activities that tell of opportunities.

    Raises:
        NoActivityTypesError: there is none of them.
    """
    ids = client.activity_types()
    found = {ids[name]: name for name in ACTIVITY_NAMES if name in ids}
    if not found:
        raise NoActivityTypesError(
            f"This instance has none of the activity types {', '.join(ACTIVITY_NAMES)}, so nothing "
            "can be found through its activity log: use find_by filter or lead_ids."
        )
    return found


def activity_date(activity: Record) -> str:
    """When it happened, as a moment.

    Raises:
        UnexpectedResponseError: it does not tell.
    """
    return t.cast("str", _told(activity, ACTIVITY_DATE, _read_date))


def lead_of(activity: Record) -> int:
    """The id of the lead whose activity it is.

    Raises:
        UnexpectedResponseError: it does not tell.
    """
    return t.cast("int", _told(activity, LEAD_ID, read_lead_id))


def _told(activity: Record, name: str, read: Callable[[t.Any], t.Any]) -> t.Any:
    try:
        value = read(activity[name])
    except (KeyError, ValueError):
        value = None
    if value is None:
        raise UnexpectedResponseError(
            f"Marketo's activity {activity.get('marketoGUID')} has no {name} that can be read, so "
            "what it is about would be lost: ask Marketo's support, or find by filter or lead_ids."
        )
    return value


class LogWalk:
    """The activity log from one moment to another, page after page.

    Pages may be short or empty while there is more. The page token goes on where an interrupted
    run stood; should Marketo no longer know it, the moment of the last activity does. What the
    pages name is in a backlog: where little happens, many pages go by before a call for the leads
    in them is full.
    """

    goes_on = False
    keys_done = 0
    unmatched = 0
    total = None
    noun = "activities"

    def __init__(
        self,
        client: MarketoClient,
        type_ids: Iterable[int],
        *,
        since: str,
        until: str,
        batch_size: int,
        keys_of: Callable[[Sequence[Record]], Iterable[Key]],
        backlog: Backlog,
        at: Position | None = None,
    ) -> None:
        """Get ready to walk.

        Args:
            client: to read with.
            type_ids: of the activities wanted.
            since: the first moment of interest.
            until: the last one.
            batch_size: activities a page.
            keys_of: what activities name that is to be looked up.
            backlog: of the lookups.
            at: where an earlier run stood.
        """
        at = at or {"token": None, "reached": since, "keys": encoded({})}
        self._client = client
        self._type_ids = tuple(type_ids)
        self._since = since
        self._until = until
        self._batch_size = batch_size
        self._keys_of = keys_of
        self._backlog = backlog
        # What earlier pages named comes before anything else.
        self._left = decoded(at["keys"])
        self.reached: str = at["reached"]
        self._reading: Reading | None = Reading(0, {}, token=at["token"])
        self._walked = False
        self._paging = LogPaging(Seen())

    @property
    def idle(self) -> bool:
        """Whether the walk is over."""
        return self._walked

    def next_reading(self) -> Reading | None:
        """The walk, once."""
        reading, self._reading = self._reading, None
        return reading

    def calls(self, reading: Reading) -> Calls:
        """The call for the next page; before the first one goes another, for a page token."""
        call = functools.partial(self._page, self._paging, reading.token, self.reached)
        return lambda before: call if before is None else None

    def restart(self, reading: Reading, error: PageTokenError) -> None:
        """Go on from the moment of the last activity, without the refused token."""
        reading.drop_token(error)
        self._paging = LogPaging(Seen())
        _LOGGER.info(
            "Marketo no longer knows the page token of the activity log; reading on from %s.",
            self.reached,
        )

    def read(self, reading: Reading, page: Page) -> list[Step]:
        """The page's activities within the walk, and the keys that they name."""
        dates = [activity_date(activity) for activity in page.records]
        wanted = [
            activity
            for activity, date in zip(page.records, dates, strict=True)
            if self._since <= date <= self._until
        ]
        past_the_end = bool(dates) and min(dates) > self._until
        reading.token = page.next_page_token
        reading.refusals = 0
        reading.done = self._walked = past_the_end or not page.more
        self.reached = min(latest(self.reached, *dates) or self.reached, self._until)
        return list(self._steps(wanted, {"token": reading.token, "reached": self.reached}))

    def _steps(self, activities: Sequence[Record], position: Position) -> Iterator[Step]:
        page = self._backlog.page(position, [*self._left.items(), *self._keys_of(activities)])
        self._left = {}
        yield Step(ACTIVITIES, activities, position=page.written, in_backlog=True)
        if page.keys:
            keys = tuple(page.keys.items())
            yield Step(ACTIVITIES, (), position=page.settled, keys=keys, in_backlog=True)

    def _page(self, paging: LogPaging, token: str | None, reached: str) -> Page:
        if token is None:
            since = max(parsed(earlier(reached, _INCLUSIVE_SECONDS)), _BEFORE_ANY_LOG)
            token = self._client.paging_token(since)
        page = self._client.activities(
            next_page_token=token,
            activity_type_ids=self._type_ids,
            batch_size=self._batch_size,
        )
        return paging.resolved(page, token)
