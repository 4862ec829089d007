"""`find_by: lead_list`, which finds records by the leads of a static list in Marketo."""

from __future__ import annotations

import functools
import typing as t

from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.finders import LeadFinder
from tap_marketo_opps.finding.lead_list import ID, LeadListReader
from tap_marketo_opps.finding.lead_ranges import list_label
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.finding.queries import opportunities_by_role, roles_query
from tap_marketo_opps.finding.stage_plan import ROLES, StagePlan, any_resume
from tap_marketo_opps.timestamps import minus_seconds

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.stage_plan import Fields, Resumes

LISTED_LATE_DAYS = 7
"""Days by which a campaign may add a lead to the list after the lead's opportunity changed."""

_DAY_SECONDS = 86_400


class LeadListFinder:
    """Finds the roles of the leads of a static list, and their opportunities (`lead_list`).

    Args:
        list_id: ID of the list.
    """

    def __init__(self, list_id: int) -> None:
        self.list_id = list_id
        self.fingerprint_label = self.description = list_label(list_id)

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return the pipeline stages by which a run finds its records.

        They read the list, look up roles by lead ID, and then the opportunities of these roles.
        """
        pending = PendingKeys()
        members = functools.partial(
            client.list_members, self.list_id, fields=(ID,), batch_size=batch_size
        )
        roles = LookupStage(
            roles_query(client, LEAD_ID, batch_size, fields),
            ROLES,
            LEAD_ID,
            lambda result: result.keys,
            write_found_first=False,
            pending=pending,
        )
        opportunities = opportunities_by_role(client, batch_size, fields, resumes, pending)
        source = LeadListReader(members, pending, any_resume(resumes).at)
        return StagePlan(source, [roles, *opportunities])


SWEEPS = (LeadFinder, LeadListFinder)
"""The finders after which a run with `find_by: activities` continues."""


def listed_at(finder: LeadFinder | LeadListFinder, began: str) -> str | None:
    """Return the timestamp at which the leads of a lead sweep were listed; None for a range of IDs.

    A lead sweep is a run that reads the roles of given leads. The sweep does not include
    leads that were added to the list or file after that time.

    Args:
        finder: Finder of the sweep.
        began: Timestamp of the beginning of the sweep.
    """
    if isinstance(finder, LeadListFinder):
        return minus_seconds(began, LISTED_LATE_DAYS * _DAY_SECONDS)
    return finder.made_at
