"""The pipeline stages of a reconcile run."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from tap_marketo_opps.finding.lead_stage import LeadStage
    from tap_marketo_opps.finding.pipeline import FollowingStage
    from tap_marketo_opps.reconcile.passes import FirstPass, SecondPass
    from tap_marketo_opps.reconcile.position import Counts


@dataclass(frozen=True, slots=True)
class ReconcileStages:
    """The pipeline stages of a run with `find_by: reconcile`, and their counts.

    Attributes:
        first: Looks up all rows.
        second: Looks up again the rows that the first pass did not find.
        leads: Adds lead fields to roles; None if there are none to add.
        counts: Counts of rows, updated by both passes.
    """

    first: FirstPass
    second: SecondPass
    leads: LeadStage | None
    counts: Counts

    @property
    def lookups(self) -> list[FollowingStage]:
        """Return the stages after the first: the second pass, and the lookup of lead fields if any.

        The second pass looks up again the rows that the first pass did not find.
        """
        return [self.second, self.leads] if self.leads else [self.second]

    @property
    def unrequested(self) -> int:
        """Return the number of records returned for a GUID that was not requested."""
        return self.first.unrequested + self.second.unrequested
