"""The pipeline stage of `lead_fields`, which adds fields of the lead to roles."""

from __future__ import annotations

import functools
import typing as t
from collections import defaultdict
from dataclasses import replace

from marketo_opps import MAX_BATCH_RECORDS, QueryPaging, decode_record, encode_record
from marketo_opps.seen_keys import KeyHashSet
from tap_marketo_opps.finding.activity_log import LEAD_ID, read_lead_id
from tap_marketo_opps.finding.known_leads import KnownLeads
from tap_marketo_opps.finding.newness import changed_since
from tap_marketo_opps.finding.page_result import has_guid
from tap_marketo_opps.finding.stage_plan import ROLES, StagePlan
from tap_marketo_opps.finding.waiting_stage import MAX_PAGES_WAITING, WaitingStage
from tap_marketo_opps.settings import LARGEST_LEAD_ID

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from marketo_opps import MarketoClient, Page, Record
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.stage_plan import Resumes
    from tap_marketo_opps.finding.stages import ChunkCursor

LEADS = "leads"
_ID = "id"


def with_leads(
    stages: StagePlan, client: MarketoClient, columns: Mapping[str, str], resumes: Resumes
) -> StagePlan:
    """Return the pipeline stages of a run, with one added that adds lead fields to roles.

    Args:
        stages: Pipeline stages that find roles.
        client: Client that makes the calls.
        columns: Maps lead columns of roles (`lead_email`) to REST names of lead fields (`email`).
        resumes: Resume point of each stream.
    """
    leads = lead_stage(client, columns, changed_since(resumes[ROLES].since))
    return StagePlan(stages.source, [*stages.lookups, leads])


def lead_stage(
    client: MarketoClient, columns: Mapping[str, str], is_new: Callable[[Record], bool]
) -> LeadStage:
    """Return a pipeline stage that looks up the leads of roles and adds their fields to the roles.

    Args:
        client: Client that makes the calls.
        columns: Maps lead columns of roles (`lead_email`) to REST names of lead fields (`email`).
        is_new: Returns True for a role that is new enough to be emitted.
    """
    return LeadStage(_leads_query(client, columns.values()), columns, is_new=is_new)


def _leads_query(client: MarketoClient, names: Iterable[str]) -> Callable[..., Page]:
    def query(*, filter_values: Sequence[str], next_page_token: str | None) -> Page:
        return client.leads(
            filter_type=_ID,
            values=filter_values,
            fields=[_ID, *names],
            batch_size=MAX_BATCH_RECORDS,
            next_page_token=next_page_token,
        )

    return query


class LeadStage(WaitingStage):
    """Adds fields of the lead to each role; the last stage of a pipeline.

    Each lead is looked up once, 300 leads per call.

    Roles that are too old to be emitted are not changed. Nothing is added for a lead that was
    deleted, or that the API user cannot see.

    Args:
        query: Fetches a page of leads, given `filter_values` and `next_page_token`.
        columns: Maps lead columns of roles (`lead_email`) to REST names of lead fields (`email`).
        is_new: Returns True for a role that is new enough to be emitted.
        known: Cache of the fields of leads that were looked up before.
        max_pages_waiting: Number of pages that may wait until their keys fill a call.
    """

    naming_field = LEAD_ID

    def __init__(
        self,
        query: Callable[..., Page],
        columns: Mapping[str, str],
        *,
        is_new: Callable[[Record], bool],
        known: KnownLeads | None = None,
        max_pages_waiting: int = MAX_PAGES_WAITING,
    ) -> None:
        super().__init__(query, LEADS, _ID, max_pages_waiting=max_pages_waiting)
        self._columns = columns
        self._is_new = is_new
        self._known = known or KnownLeads()
        self._waiting_roles: defaultdict[int, list[Record]] = defaultdict(list)

    def process(self, cursor: ChunkCursor, page: Page) -> Iterator[PageResult]:
        """Add the leads of a page to their roles, and yield the pages of roles that are complete.

        A page is complete when the leads of all its roles have been looked up.
        """
        self._take_page(cursor, page)
        held = {
            number: self._held(record)
            for record in page.records
            if (number := _lead_number(record.get(_ID)))
        }
        self._complete(held)
        if cursor.done:
            self._complete(
                {lead: {} for key in cursor.keys if (lead := int(key)) in self._waiting_roles}
            )
        yield from self._released()

    def _paging(self, keys: Sequence[str]) -> QueryPaging:
        return QueryPaging(keys, _ID, KeyHashSet())

    def _held(self, lead: Record) -> Record:
        return {
            column: value
            for column, name in self._columns.items()
            if (value := lead.get(name)) is not None
        }

    def _complete(self, held: Mapping[int, Record]) -> None:
        for number, each in held.items():
            for role in self._waiting_roles.pop(number, ()):
                role.update(each)
        self._known.add({number: encode_record(each) for number, each in held.items()})

    def _take(self, result: PageResult) -> PageResult:
        if result.stream != ROLES or not result.records:
            return result
        is_emitted = functools.partial(self._is_emitted, result)
        roles = [dict(role) if is_emitted(role) else role for role in result.records]
        self._add_leads([*filter(is_emitted, roles)])
        return replace(result, records=roles)

    def _is_emitted(self, result: PageResult, role: Record) -> bool:
        return has_guid(role) and (self._is_new(role) or result.emit_regardless_of_age(role))

    def _add_leads(self, roles: Sequence[Record]) -> None:
        """Add lead fields to roles from the cache, and queue leads that are not in the cache."""
        by_lead: defaultdict[int, list[Record]] = defaultdict(list)
        for role in roles:
            number = _lead_number(role.get(LEAD_ID))
            if number is None:
                self.missing_key_count += 1
            else:
                by_lead[number].append(role)
        known = self._known.find(by_lead.keys())
        for number, each in by_lead.items():
            if number in known:
                held = decode_record(known[number])
                for role in each:
                    role.update(held)
            else:
                self._await(number, each)

    def _await(self, number: int, roles: Iterable[Record]) -> None:
        if number not in self._waiting_roles:
            self._queue(str(number), force=False)
        self._waiting_roles[number] += roles


def _lead_number(value: t.Any) -> int | None:
    """Return a value as an integer lead ID; None if it cannot be a lead ID."""
    try:
        number = value if value.__class__ is int else read_lead_id(value)
    except ValueError:
        return None
    return number if number and 0 < number <= LARGEST_LEAD_ID else None
