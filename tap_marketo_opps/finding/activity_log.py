"""The first pipeline stage of `find_by: activities`, which reads the activity log page by page."""

from __future__ import annotations

import functools
import logging
import typing as t
from datetime import UTC, datetime

from marketo_opps import FieldDescription, LogPaging, PageTokenError
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.field_types import whole_number
from marketo_opps.fields import MARKETO_GUID, reader
from marketo_opps.seen_keys import KeyHashSet
from tap_marketo_opps.finding.activity_types import followed_types
from tap_marketo_opps.finding.page_reader import PageReader
from tap_marketo_opps.finding.page_result import has_guid
from tap_marketo_opps.finding.pending_keys import encode_keys
from tap_marketo_opps.finding.positions import PositionError, is_place_in_log
from tap_marketo_opps.timestamps import from_iso_utc, max_or_none, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from marketo_opps import MarketoClient, Page, Record
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.finding.late_entries import LateEntries
    from tap_marketo_opps.finding.page_result import Key, PageResult
    from tap_marketo_opps.finding.pending_keys import PendingKeys
    from tap_marketo_opps.finding.resume_point import Position
    from tap_marketo_opps.finding.stages import ChunkCursor

_LOGGER = logging.getLogger("tap-marketo-opps")

ACTIVITIES = "opportunity_activities"
CHANGES = "opportunity_changes"
ROLE_CHANGES = "opportunity_role_changes"
LOG_STREAMS = (ACTIVITIES, CHANGES, ROLE_CHANGES)
"""Streams whose records are log entries; pages of the log have the name of the first stream."""

ACTIVITY_DATE = "activityDate"

# Adobe documents both that the given second is included and that it is not.
_INCLUSIVE_SECONDS = 1
# Marketo keeps only some months of its log, and may refuse to read from before any log.
_BEFORE_ANY_LOG = datetime(1970, 1, 1, tzinfo=UTC)

LEAD_ID = "leadId"

_read_date = reader(FieldDescription(ACTIVITY_DATE, "", "datetime"))
read_lead_id = reader(FieldDescription(LEAD_ID, "", "integer"))


def read_followed_types(client: MarketoClient) -> FollowedTypes:
    """Fetch the instance's activity types and log warnings; return the types that the tap reads.

    Raises:
        NoActivityTypesError: The instance has no activity types about opportunities.
    """
    types = followed_types(client.activity_types())
    for warning in types.warnings:
        _LOGGER.warning("%s", warning)
    for note in types.notes:
        _LOGGER.info("%s", note)
    return types


def activity_type_id(activity: Record) -> int:
    """Return the type ID of an activity; 0 if it has none that can be read."""
    try:
        return whole_number(activity["activityTypeId"])
    except (KeyError, ValueError):
        return 0


def activity_date(activity: Record) -> str:
    """Return the timestamp of an activity.

    Raises:
        UnexpectedResponseError: The activity has no date that can be read.
    """
    return t.cast("str", _required(activity, ACTIVITY_DATE, _read_date))


def lead_id(activity: Record) -> int:
    """Return the ID of the lead that an activity belongs to.

    Raises:
        UnexpectedResponseError: The activity has no lead ID that can be read.
    """
    return t.cast("int", _required(activity, LEAD_ID, read_lead_id))


def with_key(activity: Record) -> Record:
    """Return an activity with a marketoGUID, for activities to which Marketo has not given one.

    Older activities have only an `id`, which is then used as the marketoGUID.
    """
    if has_guid(activity) or activity.get("id") is None:
        return activity
    return {**activity, MARKETO_GUID: str(activity["id"])}


def _required(activity: Record, name: str, read: Callable[[t.Any], t.Any]) -> t.Any:
    try:
        value = read(activity[name])
    except (KeyError, ValueError):
        value = None
    if value is None:
        raise UnexpectedResponseError(
            f"Marketo's activity {activity.get('marketoGUID')} has no {name} that can be read: ask "
            "Marketo's support, or use find_by: filter or lead_ids."
        )
    return value


class ActivityLogReader(PageReader):
    """Reads the activity log of a period page by page; the first stage of a pipeline.

    Pages may be short or empty although more follow. An interrupted run resumes with its page token
    or, if Marketo no longer accepts the token, with the date of the last activity read. The lead
    IDs found are kept as pending keys, because it can take many pages until they fill a call.

    Args:
        client: Client that makes the calls.
        type_ids: IDs of the activity types to read.
        merges: IDs of the types about merged leads. Their activities supply lead IDs to look up,
            but are not emitted as records.
        since: Timestamp of the beginning of the period.
        until: Timestamp of the end of the period.
        batch_size: Activities per page.
        keys_of: Returns the keys to look up for a page of activities.
        pending: Collects the keys that later stages look up, which are saved with the position.
        late: Measures how late activities become visible; None if that is not measured.
        at: Position at which an interrupted run stopped; None for a new run.

    Raises:
        PositionError: The position is not valid for this period.

    Attributes:
        reached: Timestamp up to which the log has been read.
        late: The argument `late`.
    """

    keys_done = 0
    noun = "activity"

    def __init__(
        self,
        client: MarketoClient,
        type_ids: Iterable[int],
        *,
        merges: Iterable[int] = (),
        since: str,
        until: str,
        batch_size: int,
        keys_of: Callable[[Sequence[Record]], Iterable[Key]],
        pending: PendingKeys,
        late: LateEntries | None = None,
        at: Position | None = None,
    ) -> None:
        at = at or {"token": None, "reached": since, "keys": encode_keys({})}
        if not is_place_in_log(at, max(since, until)):
            raise PositionError
        super().__init__(ACTIVITIES, pending, at)
        self._client = client
        self._type_ids = tuple(type_ids)
        self._merges = frozenset(merges)
        self._since = since
        self._until = until
        self._batch_size = batch_size
        self._keys_of = keys_of
        self.late = late
        self.reached: str = at["reached"]
        self._paging = LogPaging(KeyHashSet())

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Prepare to read the log from the date of the last activity read, without a page token.

        This is necessary after Marketo refused the cursor's page token.
        """
        cursor.drop_token(error)
        if self.late:
            self.late.void()
        self._paging = LogPaging(KeyHashSet())
        _LOGGER.info(
            "Marketo no longer accepts the page token of the activity log; continuing from %s.",
            self.reached,
        )

    def process(self, cursor: ChunkCursor, page: Page) -> list[PageResult]:
        """Return the page's activities within the period, and the keys to look up for them."""
        dates = [activity_date(activity) for activity in page.records]
        wanted = [
            activity
            for activity, date in zip(page.records, dates, strict=True)
            if self._since <= date <= self._until
        ]
        past_the_end = bool(dates) and min(dates) > self._until
        cursor.token = page.next_page_token
        cursor.refusals = 0
        cursor.done = self._is_done = past_the_end or not page.more
        self.reached = min(max_or_none(self.reached, *dates) or self.reached, self._until)
        emitted = [each for each in wanted if activity_type_id(each) not in self._merges]
        position = {"token": cursor.token, "reached": self.reached, **self._count(emitted)}
        records = [*map(with_key, emitted)]
        return list(self._results(records, self._keys_of(wanted), position))

    def _count(self, emitted: Sequence[Record]) -> Position:
        if self.late is None:
            return {}
        self.late.take(map(activity_date, emitted))
        return self.late.position()

    def _page_call(self, cursor: ChunkCursor) -> Callable[[], Page]:
        return functools.partial(self._page, self._paging, cursor.token, self.reached)

    def _page(self, paging: LogPaging, token: str | None, reached: str) -> Page:
        if token is None:
            since = max(from_iso_utc(minus_seconds(reached, _INCLUSIVE_SECONDS)), _BEFORE_ANY_LOG)
            token = self._client.paging_token(since)
        page = self._client.activities(
            next_page_token=token,
            activity_type_ids=self._type_ids,
            batch_size=self._batch_size,
        )
        return paging.resolved(page, token)
