"""`lead_list`: a sweep of the leads that are members of a static list in Marketo."""

from __future__ import annotations

import functools
import typing as t

from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.finders import (
    ROLES,
    LeadFinder,
    StagePlan,
    any_resume,
    opportunities_by_role,
    roles_query,
)
from tap_marketo_opps.finding.lead_list import ID, LeadListReader
from tap_marketo_opps.finding.lead_ranges import list_label
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.moments import minus_seconds

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.finders import Fields, Resumes

LISTED_LATE_DAYS = 7
"""How long after its deal a lead may come onto the list: a campaign that puts it there may wait."""

_DAY_SECONDS = 86_400


class LeadListFinder:
    """The roles of the leads of a static list, and the opportunities that they lead to.

    Args:
        list_id: Of the list.
    """

    def __init__(self, list_id: int) -> None:
        self.list_id = list_id
        self.fingerprint_label = self.description = list_label(list_id)

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return stages for the list, roles by lead, and opportunities by role."""
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
"""Those that hand over to the activity log."""


def listed_at(finder: LeadFinder | LeadListFinder, began: str) -> str | None:
    """Return when the leads were listed: of later ones a sweep knows nothing.

    Args:
        finder: Of the sweep.
        began: When the sweep did.
    """
    if isinstance(finder, LeadListFinder):
        return minus_seconds(began, LISTED_LATE_DAYS * _DAY_SECONDS)
    return finder.made_at
