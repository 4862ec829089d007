"""Finders, the ways to find opportunities, which the API cannot list: one class per `find_by`."""

from __future__ import annotations

import functools
import typing as t

from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.wording import counted
from tap_marketo_opps.finding.activity_log import LEAD_ID, ActivityLogReader
from tap_marketo_opps.finding.key_scan import KeyScan
from tap_marketo_opps.finding.late_entries import NO_OVERLAP, LateEntries
from tap_marketo_opps.finding.lead_ranges import lead_range, leads_label
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.newness import changed_since, is_beyond, leads_touched, never_swept
from tap_marketo_opps.finding.page_result import never_force
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.finding.queries import (
    opportunities_by_role,
    opportunities_found,
    opportunities_query,
    roles_query,
)
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES, StagePlan, any_resume
from tap_marketo_opps.settings import key_field

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import MarketoClient, Record
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.finding.key_sources import KeySource
    from tap_marketo_opps.finding.late_entries import LogOverlap
    from tap_marketo_opps.finding.newness import Sweep
    from tap_marketo_opps.finding.stage_plan import Fields, Resumes


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
        """Return pipeline stages that look up opportunities by the values, and then their roles."""
        key_field, at = self._key_field, any_resume(resumes).at
        roles = roles_query(client, EXTERNAL_ID, batch_size, fields)
        if OPPORTUNITIES not in fields and key_field == EXTERNAL_ID:
            return StagePlan(
                KeyScan(roles, ROLES, key_field, self._source, noun="value", at=at), ()
            )
        has_roles = ROLES in fields
        needed = (key_field, EXTERNAL_ID) if has_roles else (key_field,)
        query = opportunities_query(client, self.filter_type, batch_size, fields, *needed)
        source = KeyScan(query, OPPORTUNITIES, key_field, self._source, noun="value", at=at)
        if not has_roles:
            return StagePlan(source, ())
        is_new = changed_since(resumes[ROLES].since)
        keys_of = functools.partial(opportunities_found, is_new=is_new)
        return StagePlan(
            source, [LookupStage(roles, ROLES, EXTERNAL_ID, keys_of, write_found_first=False)]
        )


class LeadFinder:
    """Finds the roles of given leads, and their opportunities (`find_by: lead_ids`).

    Args:
        source: Source of the lead IDs.
        swept_before: Labels, such as `lead_ids 1-2000`, of the leads that earlier runs read. No run
            has read leads outside these ranges, so their roles and opportunities are emitted
            regardless of age.
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
        """Return pipeline stages that look up roles by lead ID, and then their opportunities."""
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
        """Return True if a role's lead was not read by an earlier run, judging by the lead's ID.

        That is so if the ID is outside one of the ranges of lead IDs that earlier runs read.
        """
        return any(is_beyond(role, [leads]) for leads in self._swept_before)


class ActivityFinder:
    """Finds the roles of leads in the activity log, and their opportunities (`activities`).

    Args:
        types: Returns the activity types to read.
        sweeps: The lead sweeps (runs that read the roles of given leads) after which the bookmarks
            continue. No run has read leads outside their ranges, so the roles and opportunities of
            these leads are emitted regardless of age.
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
        """Return the pipeline stages by which a run finds its records.

        They read the log, look up roles by lead ID, and then the opportunities of these roles.
        """
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
