"""The ways to find opportunities, which Marketo's API cannot list: one class per `find_by`."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from marketo_opps import MarketoClient, MarketoObject
from marketo_opps.fields import EXTERNAL_ID, UPDATED_AT
from marketo_opps.wording import counted
from tap_marketo_opps.finding.activity_log import LEAD_ID, ActivityLogReader
from tap_marketo_opps.finding.key_scan import KeyScan
from tap_marketo_opps.finding.late_entries import NO_OVERLAP, LateEntries
from tap_marketo_opps.finding.lead_ranges import lead_range, leads_label
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.newness import changed_since, is_beyond, leads_touched, never_swept
from tap_marketo_opps.finding.page_result import never_force
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.settings import FILTER_ALIASES, key_field

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import ObjectDescription, Page, Record
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.finding.key_sources import KeySource
    from tap_marketo_opps.finding.late_entries import LogOverlap
    from tap_marketo_opps.finding.lead_list import LeadListReader
    from tap_marketo_opps.finding.newness import Sweep
    from tap_marketo_opps.finding.page_result import Key, PageResult
    from tap_marketo_opps.finding.resume_point import ResumePoint
    from tap_marketo_opps.finding.waiting_stage import WaitingStage

OPPORTUNITIES = str(MarketoObject.OPPORTUNITIES)
ROLES = str(MarketoObject.OPPORTUNITY_ROLES)

Fields = t.Mapping[str, "Sequence[str]"]
"""Names of the streams to read, to their selected fields."""

Resumes = t.Mapping[str, "ResumePoint"]
"""Stream names to the resume points of a run, all of which have the same position."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The stages of a run.

    Attributes:
        source: The first stage, which determines the progress of the run.
        lookups: The later stages, which look up keys found by the stages before them.
    """

    source: KeyScan | ActivityLogReader | LeadListReader
    lookups: Sequence[WaitingStage]


class Finder(t.Protocol):
    """A way to find opportunities.

    Attributes:
        fingerprint_label: Name of the way and of the keys it looks up. A bookmark is valid only for
            the label with which it was written.
        description: Text for log lines.
    """

    fingerprint_label: str
    description: str

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return the stages of a run.

        Args:
            client: Client that makes the calls.
            batch_size: Records per page.
            fields: Names of the streams to read, to their selected fields.
            resumes: Resume point of each of these streams.
        """


class FilterFinder:
    """Finds opportunities by given values of a searchable field (`find_by: filter`).

    Args:
        filter_type: Name of the field, or an alias of it.
        source: Source of the values.
    """

    def __init__(self, filter_type: str, source: KeySource) -> None:
        self.filter_type = filter_type
        self._source = source
        self.fingerprint_label = f"filter {filter_type} {source.digest}"
        self._key_field = key_field(filter_type)
        self.description = f"filter of {self._key_field}, {counted(source.total, 'value')}"

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return stages that look up opportunities by the values, and then their roles."""
        key_field, at = self._key_field, any_resume(resumes).at
        roles = roles_query(client, EXTERNAL_ID, batch_size, fields)
        if OPPORTUNITIES not in fields and key_field == EXTERNAL_ID:
            return StagePlan(
                KeyScan(roles, ROLES, key_field, self._source, noun="value", at=at), ()
            )
        has_roles = ROLES in fields
        needed = (key_field, EXTERNAL_ID) if has_roles else (key_field,)
        asked = _asked(fields, OPPORTUNITIES, *needed, UPDATED_AT)
        query = _query(client, MarketoObject.OPPORTUNITIES, self.filter_type, asked, batch_size)
        source = KeyScan(query, OPPORTUNITIES, key_field, self._source, noun="value", at=at)
        if not has_roles:
            return StagePlan(source, ())
        is_new = changed_since(resumes[ROLES].since)
        keys_of = functools.partial(_opportunities_found, is_new=is_new)
        return StagePlan(
            source, [LookupStage(roles, ROLES, EXTERNAL_ID, keys_of, write_found_first=False)]
        )


class LeadFinder:
    """Finds the roles of given leads, and their opportunities (`find_by: lead_ids`).

    Args:
        source: Source of the lead IDs.
        swept_before: Labels of the runs that wrote the bookmarks. Leads outside their ranges were
            never read, so their roles and opportunities are emitted regardless of age.
    """

    def __init__(self, source: KeySource, swept_before: Iterable[str] = ()) -> None:
        self._source = source
        self.made_at = source.made_at
        self.fingerprint_label = leads_label(source.digest)
        is_range = bool(lead_range(self.fingerprint_label))
        listed = f"lead_ids, {source.total:,} of them"
        self.description = self.fingerprint_label if is_range else listed
        others = map(lead_range, {*swept_before} - {self.fingerprint_label})
        self._swept_before = [leads for leads in others if leads]

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return stages that look up roles by lead ID, and then their opportunities."""
        source = KeyScan(
            roles_query(client, LEAD_ID, batch_size, fields),
            ROLES,
            LEAD_ID,
            self._source,
            noun="lead",
            emit_regardless_of_age=self.is_of_new_lead if self._swept_before else never_force,
            at=any_resume(resumes).at,
        )
        return StagePlan(source, opportunities_by_role(client, batch_size, fields, resumes))

    def is_of_new_lead(self, role: Record) -> bool:
        """Return True if the role's lead is outside one of the ranges that were swept before."""
        return any(is_beyond(role, [leads]) for leads in self._swept_before)


class ActivityFinder:
    """Finds the roles of leads in the activity log, and their opportunities (`activities`).

    Args:
        types: Returns the activity types to read.
        sweeps: The lead sweeps after which the bookmarks continue. Leads outside their ranges were
            never read, so their roles and opportunities are emitted regardless of age.
        overlap: The part of the log that the next run reads again.
    """

    fingerprint_label = description = "activities"

    def __init__(
        self,
        types: Callable[[], FollowedTypes],
        sweeps: Iterable[Sweep] = (),
        overlap: LogOverlap = NO_OVERLAP,
    ) -> None:
        self._types = types
        self._overlap = overlap
        self._never_swept = never_swept(sweeps)

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return stages that read the log, look up roles by lead ID, and their opportunities."""
        pending = PendingKeys()
        if OPPORTUNITIES not in fields and ROLES not in fields:
            return StagePlan(self._log(client, batch_size, resumes, pending, by_lead=False), ())
        log = self._log(client, batch_size, resumes, pending, by_lead=True)
        roles = LookupStage(
            roles_query(client, LEAD_ID, batch_size, fields),
            ROLES,
            LEAD_ID,
            lambda result: result.keys,
            write_found_first=False,
            emit_regardless_of_age=self._never_swept,
            pending=pending,
        )
        opportunities = opportunities_by_role(client, batch_size, fields, resumes, pending)
        return StagePlan(log, [roles, *opportunities])

    def _log(
        self,
        client: MarketoClient,
        batch_size: int,
        resumes: Resumes,
        pending: PendingKeys,
        *,
        by_lead: bool,
    ) -> ActivityLogReader:
        resume, types = any_resume(resumes), self._types()
        merges = types.merges if by_lead else ()
        return ActivityLogReader(
            client,
            sorted((*types.names, *merges)),
            merges=merges,
            since=resume.log_from or resume.began,
            until=resume.began,
            batch_size=batch_size,
            keys_of=lambda log: leads_touched(log, merges) if by_lead else (),
            pending=pending,
            late=LateEntries(types.names, self._overlap, resume),
            at=resume.at,
        )


def filterable_fields(description: ObjectDescription) -> list[str]:
    """Return the valid values of `filter_type`: searchable fields, and the two aliases."""
    alone = [names[0] for names in description.searchable_fields if len(names) == 1]
    return [*FILTER_ALIASES, *alone]


def any_resume(resumes: Resumes) -> ResumePoint:
    """Return the first resume point, for members that are equal in all of them."""
    return next(iter(resumes.values()))


def _asked(fields: Fields, stream: str, *needed: str) -> tuple[str, ...]:
    """Return the fields to request of a stream: the selected ones, and some needed besides."""
    return tuple(dict.fromkeys((*fields.get(stream, ()), *needed)))


def roles_query(
    client: MarketoClient, key_field: str, batch_size: int, fields: Fields
) -> Callable[..., Page]:
    """Return a function that queries roles, with their selected fields, by values of a field."""
    asked = _asked(fields, ROLES, EXTERNAL_ID, LEAD_ID, UPDATED_AT)
    return _query(client, MarketoObject.OPPORTUNITY_ROLES, key_field, asked, batch_size)


def _query(
    client: MarketoClient, obj: MarketoObject, filter_type: str, asked: Sequence[str], size: int
) -> Callable[..., Page]:
    return functools.partial(
        client.query, obj, filter_type=filter_type, fields=asked, batch_size=size
    )


def opportunities_by_role(
    client: MarketoClient,
    batch_size: int,
    fields: Fields,
    resumes: Resumes,
    pending: PendingKeys | None = None,
) -> Sequence[LookupStage]:
    """Return the stage that looks up the opportunities of roles, if that stream is read."""
    if OPPORTUNITIES not in fields:
        return ()
    asked = _asked(fields, OPPORTUNITIES, EXTERNAL_ID, UPDATED_AT)
    query = _query(client, MarketoObject.OPPORTUNITIES, "dedupeFields", asked, batch_size)
    is_new = changed_since(resumes[OPPORTUNITIES].since)
    return [
        LookupStage(
            query,
            OPPORTUNITIES,
            EXTERNAL_ID,
            lambda result: _opportunities_of_roles(result, is_new),
            write_found_first=True,
            is_new=is_new,
            pending=pending,
        )
    ]


def _opportunities_found(result: PageResult, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    if result.stream == OPPORTUNITIES:
        for opportunity in result.records:
            if external_id := opportunity.get(EXTERNAL_ID):
                # The roles of a new or changed opportunity are emitted regardless of age.
                yield str(external_id), is_new(opportunity)


def _opportunities_of_roles(result: PageResult, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    if result.stream == ROLES:
        for role in result.records:
            external_id = str(role.get(EXTERNAL_ID) or "")
            yield external_id, is_new(role) or result.emit_regardless_of_age(role)
