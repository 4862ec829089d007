"""Who finds what: which streams share a run, what it looks up, and where it begins."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from marketo_opps import SettingsError
from marketo_opps.settings import instance_address
from tap_marketo_opps.finding.activity_log import ACTIVITIES
from tap_marketo_opps.finding.finders import (
    OPPORTUNITIES,
    ROLES,
    ActivityFinder,
    FilterFinder,
    LeadFinder,
    Wanted,
    searchable,
)
from tap_marketo_opps.settings import (
    BY_ACTIVITIES,
    BY_FILTER,
    filter_source,
    find_by,
    lead_source,
    start_date,
)
from tap_marketo_opps.sync.error_advice import not_searchable
from tap_marketo_opps.sync.plan import log_start, plan_run
from tap_marketo_opps.sync.run import Run
from tap_marketo_opps.sync.state import Bookmark, fingerprint, moment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps import MarketoClient, ObjectDescription
    from tap_marketo_opps.finding.finders import Finder
    from tap_marketo_opps.singer_writer import MessageWriter
    from tap_marketo_opps.streams import FoundStream
    from tap_marketo_opps.sync.plan import Plan

Streams = t.Mapping[str, "FoundStream"]
Bookmarks = t.Mapping[str, Bookmark]


def found_together(stream: FoundStream, selected: Streams, way: str) -> Streams:
    """The streams that one finder serves: its calls are made once for all of them.

    Args:
        stream: one of them.
        selected: all that are selected, in the order in which they are synced.
        way: the `find_by` in force.
    """
    together = {OPPORTUNITIES, ROLES} | ({ACTIVITIES} if way == BY_ACTIVITIES else set())
    if stream.is_dry_run or stream.name not in together:
        return {stream.name: stream}
    return {name: each for name, each in selected.items() if name in together}


@dataclass(frozen=True)
class Planner:
    """Plans the runs of one tap.

    Attributes:
        config: its settings.
        client: to read with.
        writer: of messages.
        state: its state, which runs change.
        opportunities: what describe said of opportunities; None where it was not asked.
        activity_types: ids and names of the activities that tell of opportunities, asked for.
    """

    config: Mapping[str, t.Any]
    client: MarketoClient
    writer: MessageWriter
    state: dict[str, t.Any]
    opportunities: ObjectDescription | None
    activity_types: Callable[[], dict[int, str]]

    def run(self, streams: Streams) -> Run:
        """The run that finds the records of these streams."""
        instance = urlsplit(instance_address(self.config["endpoint"])).netloc.casefold()
        bookmarks = {name: _bookmark(stream, instance) for name, stream in streams.items()}
        finder = self._finder(bookmarks)
        plan = self._plan(streams, bookmarks, finder)
        wanted = _wanted(streams, plan)
        return Run(
            client=self.client,
            writer=self.writer,
            streams=streams,
            bookmarks=bookmarks,
            finder=finder,
            plan=plan,
            stages=finder.stages(self.client, self.config["batch_size"], wanted),
            max_concurrent_calls=self.config["max_concurrent_calls"],
            state=self.state,
        )

    def _finder(self, bookmarks: Bookmarks) -> Finder:
        way = find_by(self.config)
        if way == BY_ACTIVITIES or ACTIVITIES in bookmarks:
            return ActivityFinder(self.activity_types)
        if way == BY_FILTER:
            self._check_searchable(self.config["filter_type"])
            return FilterFinder(self.config["filter_type"], filter_source(self.config))
        leads = lead_source(self.config)
        # With a start_date, a run of another range emits all since then.
        return LeadFinder(leads, () if start_date(self.config) else _found_by(bookmarks))

    def _check_searchable(self, filter_type: str) -> None:
        """Where describe was asked, it says what is searchable; else Marketo will."""
        if self.opportunities and filter_type not in searchable(self.opportunities):
            raise not_searchable(filter_type, searchable(self.opportunities))

    def _plan(self, streams: Streams, bookmarks: Bookmarks, finder: Finder) -> Plan:
        first = start_date(self.config)
        incremental = {name: stream.is_incremental for name, stream in streams.items()}
        log = (
            log_start(
                # A full table is read from the start, whatever is known of the log.
                bookmarks if all(incremental.values()) else {"": Bookmark()},
                first,
                self.config["activity_overlap_seconds"],
            )
            if isinstance(finder, ActivityFinder)
            else None
        )
        return plan_run(
            bookmarks,
            found_by=finder.found_by,
            fingerprint=self._fingerprint(streams, finder),
            start_date=first,
            began=moment(self.client.server_now()),
            incremental=incremental,
            log=log,
        )

    def _fingerprint(self, streams: Streams, finder: Finder) -> str:
        names = ["batch_size", "start_date"]
        if isinstance(finder, ActivityFinder):
            names.append("activity_overlap_seconds")
        full = [name for name, stream in streams.items() if not stream.is_incremental]
        return fingerprint(
            {
                "found_by": finder.found_by,
                "fields": {name: stream.selected_fields for name, stream in streams.items()},
                "settings": {name: self.config.get(name) for name in names},
                # Left out where there is none, for the positions that earlier versions left.
                **({"full_table": full} if full else {}),
            }
        )


def _wanted(streams: Streams, plan: Plan) -> Wanted:
    resume = plan.any_resume
    return Wanted(
        fields={name: stream.selected_fields for name, stream in streams.items()},
        since={name: each.since for name, each in plan.resumes.items()},
        began=resume.began,
        cursor=resume.cursor,
        log_from=resume.log_from,
        at=resume.at,
    )


def _found_by(bookmarks: Bookmarks) -> set[str]:
    return {bookmark.found_by for bookmark in bookmarks.values() if bookmark.found_by}


def _bookmark(stream: FoundStream, instance: str) -> Bookmark:
    """What the state says of a stream.

    Raises:
        SettingsError: it cannot be read, or speaks of another instance, which it would be lost to.
    """
    state = stream.stream_state
    try:
        bookmark = Bookmark.from_state(state)
    except ValueError as error:
        raise SettingsError(
            f"The state of {stream.name} cannot be read: {error}. Correct it, or start without."
        ) from None
    if state.get("resume") and not bookmark.resume:
        stream.logger.warning(
            "Where the last run of %s stopped cannot be read: starting from what the run before "
            "it has finished.",
            stream.name,
        )
    if bookmark.instance not in {None, instance}:
        raise SettingsError(
            f"The state of {stream.name} is of the instance {bookmark.instance}, and endpoint is "
            f"{instance}: give each instance a state of its own (in Meltano by --state-id-suffix), "
            "or start without state."
        )
    return replace(bookmark, instance=instance)
