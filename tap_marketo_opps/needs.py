"""What a run with given settings needs of the instance, for `--test`; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from tap_marketo_opps.finding.activity_log import LOG_STREAMS
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.settings import (
    BY_ACTIVITIES,
    BY_FILTER,
    BY_LEAD_LIST,
    BY_RECONCILE,
    find_by,
    lead_columns,
    skip_reason,
)

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Needs:
    """Which data of the Marketo instance a run reads, so that `--test` can check its permissions.

    Attributes:
        streams: Names of the selected streams.
        by_leads: True if opportunities are found through leads.
        by_log: True if leads are found through the activity log.
        by_catalog: True if a catalog selects the streams; without one, a run describes roles first.
        lead_fields: True if fields of leads are added to roles.
        lead_list: ID of the static list whose leads are read; None for any other `find_by`.
    """

    streams: Collection[str]
    by_leads: bool
    by_log: bool
    by_catalog: bool
    lead_fields: bool
    lead_list: int | None = None

    @property
    def pair(self) -> list[str]:
        """Return the names of the selected streams among opportunities and opportunity_roles."""
        return sorted({OPPORTUNITIES, ROLES} & set(self.streams))

    @property
    def roles(self) -> bool:
        """Return True if the run reads roles, for their stream or to find opportunities."""
        return ROLES in self.streams or (bool(self.pair) and self.by_leads)

    @property
    def log(self) -> bool:
        """Return True if the run reads the activity log, for its streams or to find leads."""
        return bool(self.of_log) or (bool(self.pair) and self.by_log)

    @property
    def of_log(self) -> list[str]:
        """Return the names of the selected streams that consist of activity log entries."""
        return [name for name in LOG_STREAMS if name in self.streams]


def needs_of(config: Mapping[str, t.Any], selected: Iterable[str], *, by_catalog: bool) -> Needs:
    """Return what a run with these settings needs of the instance.

    Args:
        config: Settings of the tap.
        selected: Names of the selected streams.
        by_catalog: True if a catalog selects them.
    """
    way = find_by(config)
    streams = {name for name in selected if not skip_reason(config, name)}
    return Needs(
        streams=streams,
        by_leads=way not in {BY_FILTER, BY_RECONCILE},
        by_log=way == BY_ACTIVITIES,
        by_catalog=by_catalog,
        lead_fields=ROLES in streams and bool(lead_columns(config)),
        lead_list=config.get("lead_list_id") if way == BY_LEAD_LIST else None,
    )
