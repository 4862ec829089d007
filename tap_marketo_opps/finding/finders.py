"""How opportunities are found, for Marketo's API cannot list them: one class a `find_by`."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from marketo_opps import FieldDescription, MarketoClient, MarketoObject
from marketo_opps.fields import EXTERNAL_ID, UPDATED_AT, reader
from tap_marketo_opps.finding.activity_log import (
    LEAD_ID,
    LogWalk,
    activity_date,
    lead_of,
    read_lead_id,
)
from tap_marketo_opps.finding.pending_keys import Backlog
from tap_marketo_opps.finding.stages import Lookup, Query, Sweep, never
from tap_marketo_opps.sync.progress import counted
from tap_marketo_opps.sync.state import lead_range

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import ObjectDescription, Record
    from tap_marketo_opps.finding.key_sources import KeySource
    from tap_marketo_opps.finding.stages import Key, Step
    from tap_marketo_opps.sync.state import Position

OPPORTUNITIES = str(MarketoObject.OPPORTUNITIES)
ROLES = str(MarketoObject.OPPORTUNITY_ROLES)

_ALIASES = {"dedupeFields": EXTERNAL_ID, "idField": "marketoGUID"}

_read_moment = reader(FieldDescription(UPDATED_AT, "", "datetime"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one run is to find.

    Attributes:
        fields: stream names to the fields to ask for; a stream that is missing is not wanted.
        since: stream names to the moment from which on changes are emitted; None for all.
        cursor: up to when the activity log was known before; None where it was not.
        log_from: where reading it begins.
        began: where it ends.
        at: where an interrupted run stood.
    """

    fields: dict[str, tuple[str, ...]]
    since: dict[str, str | None]
    began: str
    cursor: str | None = None
    log_from: str | None = None
    at: Position | None = None

    def asked(self, stream: str, *needed: str) -> tuple[str, ...]:
        """The fields to ask for: the selected ones, and those that finding itself needs."""
        return tuple(dict.fromkeys((*self.fields.get(stream, ()), *needed)))


@dataclass(frozen=True, slots=True)
class Stages:
    """What a run is made of; the source tells how far it is."""

    source: Sweep | LogWalk
    lookups: Sequence[Lookup]


class Finder(t.Protocol):
    """One way to find opportunities.

    `found_by` names it together with what it looks up: bookmarks of other keys say nothing.
    `told` is what users are told of it.
    """

    found_by: str
    told: str

    def stages(self, client: MarketoClient, batch_size: int, wanted: Wanted) -> Stages:
        """The stages of a run."""


class FilterFinder:
    """`filter`: values of a searchable field are given."""

    def __init__(self, filter_type: str, source: KeySource) -> None:
        self.filter_type = filter_type
        self._source = source
        self.found_by = f"filter {filter_type} {source.digest}"
        self._key_field = _ALIASES.get(filter_type, filter_type)
        self.told = f"filter of {self._key_field}, {counted(source.total, 'value')}"

    def stages(self, client: MarketoClient, batch_size: int, wanted: Wanted) -> Stages:
        """Opportunities by the values, roles by their opportunities."""
        key_field = self._key_field
        if OPPORTUNITIES not in wanted.fields and key_field == EXTERNAL_ID:
            query = _roles_by(EXTERNAL_ID, client, batch_size, wanted)
            return Stages(Sweep(query, ROLES, self._source, noun="values", at=wanted.at), ())
        has_roles = ROLES in wanted.fields
        needed = (key_field, EXTERNAL_ID) if has_roles else (key_field,)
        query = Query(
            client,
            MarketoObject.OPPORTUNITIES,
            self.filter_type,
            key_field,
            wanted.asked(OPPORTUNITIES, *needed, UPDATED_AT),
            batch_size,
        )
        source = Sweep(query, OPPORTUNITIES, self._source, noun="values", at=wanted.at)
        if not has_roles:
            return Stages(source, ())
        by_opportunity = _roles_by(EXTERNAL_ID, client, batch_size, wanted)
        is_new = is_new_since(wanted.since[ROLES])
        keys_of = functools.partial(_opportunities_found, is_new=is_new)
        return Stages(source, [Lookup(by_opportunity, ROLES, keys_of, found_first=False)])


class LeadFinder:
    """`lead_ids`: the roles of given leads, and the opportunities that they lead to."""

    def __init__(self, source: KeySource, swept_before: Iterable[str] = ()) -> None:
        """Get ready.

        Args:
            source: lead ids.
            swept_before: what the bookmarks' own runs were found by; leads beyond the range of
                any of them are new to us, so what they lead to is emitted however old it is.
        """
        self._source = source
        self.found_by = f"lead_ids {source.digest}"
        is_range = bool(lead_range(self.found_by))
        self.told = self.found_by if is_range else f"lead_ids, {source.total:,} of them"
        others = map(lead_range, {*swept_before} - {self.found_by})
        self._swept_before = [leads for leads in others if leads]

    def stages(self, client: MarketoClient, batch_size: int, wanted: Wanted) -> Stages:
        """Roles by lead, opportunities by role."""
        source = Sweep(
            _roles_by(LEAD_ID, client, batch_size, wanted),
            ROLES,
            self._source,
            noun="leads",
            always=self._is_of_new_lead if self._swept_before else never,
            at=wanted.at,
        )
        return Stages(source, _opportunities_by_role(client, batch_size, wanted))

    def _is_of_new_lead(self, role: Record) -> bool:
        try:
            lead = read_lead_id(role[LEAD_ID])
        except (KeyError, ValueError):
            return True
        return not all(lead in leads for leads in self._swept_before)


class ActivityFinder:
    """`activities`: the roles of leads that the activity log tells of, and their opportunities."""

    found_by = told = "activities"

    def __init__(self, types: Callable[[], Iterable[int]]) -> None:
        self._types = types

    def stages(self, client: MarketoClient, batch_size: int, wanted: Wanted) -> Stages:
        """The log, roles by lead, opportunities by role."""
        backlog = Backlog()
        alone = OPPORTUNITIES not in wanted.fields and ROLES not in wanted.fields
        walk = LogWalk(
            client,
            self._types(),
            since=wanted.log_from or wanted.began,
            until=wanted.began,
            batch_size=batch_size,
            keys_of=lambda log: () if alone else _leads_touched(log, wanted.cursor),
            backlog=backlog,
            at=wanted.at,
        )
        if alone:
            return Stages(walk, ())
        roles = Lookup(
            _roles_by(LEAD_ID, client, batch_size, wanted),
            ROLES,
            lambda step: step.keys,
            found_first=False,
            backlog=backlog,
        )
        return Stages(walk, [roles, *_opportunities_by_role(client, batch_size, wanted, backlog)])


def searchable(description: ObjectDescription) -> list[str]:
    """What `filter_type` may be: each field that is searchable by itself, and the two aliases."""
    alone = [names[0] for names in description.searchable_fields if len(names) == 1]
    return [*_ALIASES, *alone]


def is_new_since(since: str | None) -> Callable[[Record], bool]:
    """Whether a record changed at or after a moment; one that does not tell is new."""

    def is_new(record: Record) -> bool:
        try:
            return since is None or str(_read_moment(record[UPDATED_AT])) >= since
        except (KeyError, ValueError):
            return True

    return is_new


def _roles_by(key_field: str, client: MarketoClient, batch_size: int, wanted: Wanted) -> Query:
    fields = wanted.asked(ROLES, EXTERNAL_ID, LEAD_ID, UPDATED_AT)
    obj = MarketoObject.OPPORTUNITY_ROLES
    return Query(client, obj, key_field, key_field, fields, batch_size)


def _opportunities_by_role(
    client: MarketoClient, batch_size: int, wanted: Wanted, backlog: Backlog | None = None
) -> Sequence[Lookup]:
    if OPPORTUNITIES not in wanted.fields:
        return ()
    fields = wanted.asked(OPPORTUNITIES, EXTERNAL_ID, UPDATED_AT)
    obj = MarketoObject.OPPORTUNITIES
    query = Query(client, obj, "dedupeFields", EXTERNAL_ID, fields, batch_size)
    is_new = is_new_since(wanted.since[OPPORTUNITIES])
    return [
        Lookup(
            query,
            OPPORTUNITIES,
            lambda step: _opportunities_of_roles(step, is_new),
            found_first=True,
            is_new=is_new,
            backlog=backlog,
        )
    ]


def _opportunities_found(step: Step, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    if step.stream == OPPORTUNITIES:
        for opportunity in step.records:
            if external_id := opportunity.get(EXTERNAL_ID):
                # One that is new to these values brings its roles along, however old they are.
                yield str(external_id), is_new(opportunity)


def _opportunities_of_roles(step: Step, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    if step.stream == ROLES:
        for role in step.records:
            if external_id := role.get(EXTERNAL_ID):
                yield str(external_id), is_new(role) or step.always(role)


def _leads_touched(activities: Iterable[Record], cursor: str | None) -> Iterator[Key]:
    for activity in activities:
        yield str(lead_of(activity)), cursor is None or activity_date(activity) >= cursor
