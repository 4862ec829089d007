"""Preparation of a run: the streams that it serves, how it finds records, where it begins."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from tap_marketo_opps.finding.activity_log import LOG_STREAMS
from tap_marketo_opps.finding.finders import ActivityFinder, FilterFinder, LeadFinder
from tap_marketo_opps.finding.key_sources import FileKeys, LeadRange, ListedKeys
from tap_marketo_opps.finding.late_entries import LogOverlap
from tap_marketo_opps.finding.lead_ranges import is_valid_lead_id, plain_lead_id
from tap_marketo_opps.finding.lead_stage import with_leads
from tap_marketo_opps.finding.list_finder import SWEEPS, LeadListFinder, listed_at
from tap_marketo_opps.finding.newness import Sweep
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.finding.queries import filterable_fields
from tap_marketo_opps.finding.resume_point import ResumePoint
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.settings import (
    BY_ACTIVITIES,
    BY_FILTER,
    BY_LEAD_LIST,
    LARGEST_LEAD_ID,
    find_by,
    key_field,
    lead_columns,
    start_date,
)
from tap_marketo_opps.sync.bookmarks import read_bookmarks, warn_of_lost_position
from tap_marketo_opps.sync.error_advice import filter_type_error
from tap_marketo_opps.sync.lead_catalog import catalog_warnings
from tap_marketo_opps.sync.log_reach import hand_over_note, retention_warning
from tap_marketo_opps.sync.plan import log_start, plan_run
from tap_marketo_opps.sync.run import Run
from tap_marketo_opps.sync.state import Bookmark, fingerprint
from tap_marketo_opps.timestamps import to_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import ObjectDescription
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.finding.key_sources import KeySource
    from tap_marketo_opps.finding.stage_plan import Finder, StagePlan
    from tap_marketo_opps.sync.plan import Plan
    from tap_marketo_opps.sync.run_context import RunContext
    from tap_marketo_opps.sync.stream_output import StreamOutput

Config = t.Mapping[str, t.Any]
Outputs = t.Mapping[str, "StreamOutput"]
Bookmarks = t.Mapping[str, Bookmark]


def streams_sharing_a_run(stream: str, selected: Sequence[str], way: str) -> list[str]:
    """Return the streams whose records are found by one run, so that no call is made twice.

    Args:
        stream: Name of one of these streams.
        selected: Names of all selected streams, in the order in which they are synced.
        way: Value of `find_by`.
    """
    groups: list[tuple[str, ...]] = [(OPPORTUNITIES, ROLES), LOG_STREAMS]
    if way == BY_ACTIVITIES:
        groups = [(OPPORTUNITIES, ROLES, *LOG_STREAMS)]
    together = next(group for group in groups if stream in group)
    return [each for each in selected if each in together]


def start_run(
    outputs: Outputs,
    context: RunContext,
    opportunities: ObjectDescription | None,
    activity_types: Callable[[], FollowedTypes],
) -> Run:
    """Return the run that finds the records of these streams.

    Args:
        outputs: Outputs of the streams, by name; calls are logged with the first.
        context: Objects that all runs of the tap share.
        opportunities: Description of opportunities; None if describe was not called.
        activity_types: Returns the activity types to read.

    Raises:
        SettingsError: Settings or state are invalid for a run.
    """
    config = context.config
    now = to_iso_utc(context.client.earliest_now())
    bookmarks = read_bookmarks(
        outputs, instance=context.instance, now=now, start_date=start_date(config)
    )
    warnings = catalog_warnings(outputs[ROLES], lead_columns(config)) if ROLES in outputs else []
    finder = _finder(config, bookmarks, opportunities, activity_types)
    plan = _plan(config, outputs, bookmarks, finder, now)
    try:
        stages = _stages(context, outputs, finder, plan)
    except PositionError:
        bookmarks = _without_positions(bookmarks)
        plan = _plan(config, outputs, bookmarks, finder, now)
        stages = _stages(context, outputs, finder, plan)
    plan = _with_log_sentences(plan, bookmarks, finder, now)
    return Run(
        context,
        outputs,
        bookmarks,
        finder,
        replace(plan, warnings=[*warnings, *plan.warnings]),
        stages,
        start_date(config) if isinstance(finder, SWEEPS) else None,
    )


def _stages(context: RunContext, outputs: Outputs, finder: Finder, plan: Plan) -> StagePlan:
    """Return the pipeline stages of a run.

    Raises:
        PositionError: A stage cannot resume from the position in the plan.
    """
    config, client = context.config, context.client
    columns = lead_columns(config)
    fields = {
        name: [each for each in output.fields if each not in columns]
        for name, output in outputs.items()
    }
    stages = finder.stages(client, config["batch_size"], fields, plan.resumes)
    if ROLES not in outputs:
        return stages
    wanted = {each: columns[each] for each in outputs[ROLES].fields if each in columns}
    return with_leads(stages, client, wanted, plan.resumes) if wanted else stages


def _without_positions(bookmarks: Bookmarks) -> dict[str, Bookmark]:
    for name in bookmarks:
        warn_of_lost_position(name)
    return {name: replace(bookmark, resume=None) for name, bookmark in bookmarks.items()}


def _finder(
    config: Config,
    bookmarks: Bookmarks,
    opportunities: ObjectDescription | None,
    activity_types: Callable[[], FollowedTypes],
) -> Finder:
    way = find_by(config)
    if way == BY_ACTIVITIES or not bookmarks.keys().isdisjoint(LOG_STREAMS):
        tails = [each.log_tail for each in bookmarks.values() if each.log_tail]
        overlap = LogOverlap(config["activity_overlap_seconds"], tails)
        return ActivityFinder(activity_types, _sweeps(bookmarks), overlap)
    if way == BY_FILTER:
        _check_filter_type(config["filter_type"], opportunities)
        return FilterFinder(config["filter_type"], _filter_source(config))
    if way == BY_LEAD_LIST:
        return LeadListFinder(config["lead_list_id"])
    leads = _lead_source(config)
    # With a start_date, a run for another range emits all records since then.
    return LeadFinder(leads, () if start_date(config) else _labels(bookmarks))


def _filter_source(config: Config) -> KeySource:
    if path := config.get("filter_values_path"):
        column = key_field(config["filter_type"])
        return FileKeys("filter_values_path", path, column=column)
    return ListedKeys("filter_values", config["filter_values"])


def _lead_source(config: Config) -> KeySource:
    if path := config.get("lead_ids_path"):
        return FileKeys(
            "lead_ids_path",
            path,
            column="Id",
            read_key=plain_lead_id,
            is_valid=is_valid_lead_id,
            rule=(
                f"lead ids must be integers up to {LARGEST_LEAD_ID} (with a header, in the "
                "column Id)"
            ),
        )
    return LeadRange(config["lead_id_from"], config["lead_id_to"])


def _check_filter_type(filter_type: str, opportunities: ObjectDescription | None) -> None:
    """Raise SettingsError if describe was called and does not list the field as searchable."""
    if opportunities and filter_type not in filterable_fields(opportunities):
        raise filter_type_error(filter_type, filterable_fields(opportunities))


def _plan(
    config: Config,
    outputs: Outputs,
    bookmarks: Bookmarks,
    finder: Finder,
    now: str,
) -> Plan:
    incremental = {name: output.is_incremental for name, output in outputs.items()}
    log_from = cursor = None
    if isinstance(finder, ActivityFinder):
        # A full table ignores what earlier runs have read of the log.
        known = bookmarks if all(incremental.values()) else dict.fromkeys(bookmarks, Bookmark())
        log_from, cursor = log_start(known, start_date(config), config["activity_overlap_seconds"])
    return plan_run(
        bookmarks,
        found_by=finder.fingerprint_label,
        new_run=ResumePoint(
            fingerprint=_fingerprint(config, outputs, finder),
            began=now,
            since=None,
            seen=None,
            cursor=cursor,
            log_from=log_from,
            at=None,
        ),
        start_date=start_date(config),
        incremental=incremental,
    )


def _with_log_sentences(plan: Plan, bookmarks: Bookmarks, finder: Finder, now: str) -> Plan:
    """Return a plan with a sentence to log added, if there is one about the activity log.

    After a lead sweep it says from when `find_by: activities` continues; for other runs, that the
    log is read from a time for which Marketo has deleted entries.
    """
    resume = plan.resume
    if isinstance(finder, SWEEPS):
        is_known = all(bookmark.log_until for bookmark in bookmarks.values())
        listed = listed_at(finder, resume.began)
        note = None if is_known else hand_over_note(listed, resume.began)
        return replace(plan, notes=[*plan.notes, note]) if note else plan
    wanted_from = (resume.at or {}).get("reached", resume.log_from)
    warning = retention_warning(wanted_from, now)
    return replace(plan, warnings=[*plan.warnings, warning]) if warning else plan


def _fingerprint(config: Config, outputs: Outputs, finder: Finder) -> str:
    names = ["batch_size", "start_date"]
    if isinstance(finder, ActivityFinder):
        names.append("activity_overlap_seconds")
    full = [name for name, output in outputs.items() if not output.is_incremental]
    return fingerprint(
        {
            "found_by": finder.fingerprint_label,
            "fields": {name: output.fields for name, output in outputs.items()},
            "settings": {name: config.get(name) for name in names},
            # Omitted if empty, so that positions saved by earlier versions stay valid.
            **({"full_table": full} if full else {}),
        }
    )


def _sweeps(bookmarks: Bookmarks) -> list[Sweep]:
    return [
        Sweep(bookmark.sweep_leads, bookmark.sweep_began)
        for bookmark in bookmarks.values()
        if bookmark.sweep_leads and bookmark.sweep_began
    ]


def _labels(bookmarks: Bookmarks) -> set[str]:
    return {bookmark.found_by for bookmark in bookmarks.values() if bookmark.found_by}
