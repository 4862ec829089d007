"""The tap's settings, besides those it shares with the target."""

from __future__ import annotations

import typing as t

from marketo_opps import MAX_BATCH_RECORDS, SettingsError
from marketo_opps.fields import EXTERNAL_ID, MARKETO_GUID
from marketo_opps.plugin.settings import REQUIRED_SETTINGS, SHARED_SETTINGS
from tap_marketo_opps.moments import normalize_iso

if t.TYPE_CHECKING:
    from collections.abc import Mapping

BY_FILTER = "filter"
BY_ACTIVITIES = "activities"
BY_LEAD_IDS = "lead_ids"
BY_LEAD_LIST = "lead_list"
BY_RECONCILE = "reconcile"

RECONCILE_PATHS = {
    "opportunities": "reconcile_opportunities_path",
    "opportunity_roles": "reconcile_roles_path",
}
"""Which setting names the file of what the warehouse has of a stream."""

FILTER_ALIASES = {"dedupeFields": EXTERNAL_ID, "idField": MARKETO_GUID}
"""What `filter_type` may say instead of a field."""

LEAD_PREFIX = "lead_"

TAP_SETTINGS: dict[str, dict[str, t.Any]] = {
    "find_by": {
        "type": ["string", "null"],
        "enum": [BY_FILTER, BY_ACTIVITIES, BY_LEAD_IDS, BY_LEAD_LIST, BY_RECONCILE, None],
        "title": "Find by",
        "description": (
            "How opportunities are found, for Marketo cannot list them: filter (values of a field "
            "are given), activities (the activity log), lead_ids (a sweep of leads), lead_list (a "
            "sweep of the leads of a static list), reconcile (what the warehouse has is looked "
            "up); default: filter if filter values are given, else activities"
        ),
    },
    "filter_type": {
        "type": "string",
        "default": "dedupeFields",
        "title": "Filter Type",
        "description": (
            "For filter: a searchable field of the opportunity, or dedupeFields "
            "(externalOpportunityId) or idField (marketoGUID)"
        ),
    },
    "filter_values": {
        "type": ["array", "null"],
        "items": {"type": ["string", "integer"]},
        "title": "Filter Values",
        "description": "For filter: the values to look up; none may hold a comma",
    },
    "filter_values_path": {
        "type": ["string", "null"],
        "title": "Filter Values File",
        "description": (
            "For filter: a text file with one value a line, or a CSV or TSV file with a header "
            "that has a column of the field's name; it may hold millions"
        ),
    },
    "lead_id_from": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "First Lead ID",
        "description": "For lead_ids: where the range of lead ids to sweep begins, itself included",
    },
    "lead_id_to": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Last Lead ID",
        "description": "For lead_ids: where the range ends, itself included",
    },
    "lead_ids_path": {
        "type": ["string", "null"],
        "title": "Lead IDs File",
        "description": (
            "For lead_ids: a file of lead ids instead: a Smart List export as it is, or one lead "
            "id a line"
        ),
    },
    "lead_list_id": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Lead List ID",
        "description": (
            "For lead_list: the number of the static list whose leads are swept, as in its "
            "address in Marketo (ST1001A1 is 1001)"
        ),
    },
    **{
        setting: {
            "type": ["string", "null"],
            "title": f"Reconcile {what.title()} File",
            "description": (
                f"For reconcile: what the warehouse has of {stream}: a CSV or TSV file with a "
                "header that has a column marketoGUID, best of all columns (select *), or one "
                "marketoGUID a line; it may hold millions"
            ),
        }
        for (stream, setting), what in zip(
            RECONCILE_PATHS.items(), ("opportunities", "roles"), strict=True
        )
    },
    "max_gone_percent": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "default": 10,
        "title": "Max Gone Percent",
        "description": (
            "For reconcile: where more than 100 rows, and more than this percentage of those "
            "looked up, are gone, the run ends with an error instead of declaring the warehouse "
            "deleted"
        ),
    },
    "start_date": {
        "type": ["string", "null"],
        "format": "date-time",
        "title": "Start Date",
        "description": (
            "Only what changed at or after it; needed for activities, and for the streams of the "
            "activity log"
        ),
    },
    "activity_overlap_seconds": {
        "type": "integer",
        "minimum": 0,
        # Marketo keeps its log for months; a year is more than there is.
        "maximum": 31_536_000,
        "default": 600,
        "title": "Activity Overlap Seconds",
        "description": (
            "How much of the activity log's tail is read again, in seconds, since an activity may "
            "become visible late"
        ),
    },
    "batch_size": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_BATCH_RECORDS,
        "default": MAX_BATCH_RECORDS,
        "title": "Batch Size",
        "description": "Records a page",
    },
    "max_run_seconds": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Max Run Seconds",
        "description": (
            "Pause the run after so many seconds, but not before it has got further than it began: "
            "no new call starts, and the next run goes on from the last STATE; default: no limit"
        ),
    },
    "lead_fields": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1},
        "title": "Lead Fields",
        "description": (
            "For opportunity_roles: fields of the lead that each role carries along, as "
            "lead_<name>, by their REST names (email); as of when the role is read"
        ),
    },
    "field_names": {
        "type": ["array", "null"],
        "items": {"type": "string"},
        "title": "Field Names",
        "description": "For opportunity_fields: only these, each by name; default: all",
    },
}

CONFIG_SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "properties": {**SHARED_SETTINGS, **TAP_SETTINGS},
    "required": list(REQUIRED_SETTINGS),
}


def find_by(config: Mapping[str, t.Any]) -> str:
    """Return the way of finding that is asked for."""
    if chosen := config.get("find_by"):
        return str(chosen)
    has_values = config.get("filter_values") is not None or config.get("filter_values_path")
    return BY_FILTER if has_values else BY_ACTIVITIES


def key_field(filter_type: str) -> str:
    """Return the field that a `filter_type` looks up by."""
    return FILTER_ALIASES.get(filter_type, filter_type)


def lead_columns(config: Mapping[str, t.Any]) -> dict[str, str]:
    """Return the fields in which roles carry what is wanted of their leads, with its REST name."""
    return {f"{LEAD_PREFIX}{name}": name for name in config.get("lead_fields") or ()}


def idle_settings(config: Mapping[str, t.Any]) -> list[str]:
    """Return settings of ways of finding that have no effect since find_by is not set.

    Who has chosen a way may well keep the settings of another.
    """
    of_leads = ("lead_id_from", "lead_id_to", "lead_ids_path", "lead_list_id")
    names = (*of_leads, *RECONCILE_PATHS.values())
    return [] if config.get("find_by") else [name for name in names if config.get(name)]


def start_date(config: Mapping[str, t.Any]) -> str | None:
    """Return `start_date` as a moment.

    Raises:
        SettingsError: It is not a date-time.
    """
    given = config.get("start_date")
    if not given:
        return None
    try:
        return normalize_iso(str(given))
    except ValueError:
        raise SettingsError(
            f"Setting 'start_date' is no date-time: {given!r}; write it as 2026-01-31T00:00:00Z."
        ) from None


def setting_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    """Return what is wrong with the tap's own settings taken together, one sentence each."""
    rules = {
        BY_FILTER: _filter_conflicts,
        BY_LEAD_IDS: _lead_conflicts,
        BY_LEAD_LIST: _list_conflicts,
        BY_RECONCILE: _reconcile_conflicts,
    }.get(find_by(config))
    conflicts = rules(config) if rules else []
    if "id" in map(str.casefold, lead_columns(config).values()):
        conflicts.append("lead_fields must not name id: opportunity_roles have it as leadId.")
    try:
        start_date(config)
    except SettingsError as error:
        conflicts.append(str(error))
    return conflicts


def _filter_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    given = [
        name
        for name in ("filter_values", "filter_values_path")
        if config.get(name) is not None and config.get(name) != ""
    ]
    if len(given) == 1:
        return []
    return [
        "find_by filter needs the values to look up: give filter_values or filter_values_path"
        + (", not both." if given else ".")
    ]


def _list_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    has_list = config.get("lead_list_id") is not None
    return [] if has_list else ["find_by lead_list needs lead_list_id."]


def _lead_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    first, last = config.get("lead_id_from"), config.get("lead_id_to")
    if config.get("lead_ids_path"):
        if first is None and last is None:
            return []
        return ["Give lead_ids_path, or lead_id_from and lead_id_to, not both."]
    if first is None or last is None:
        return ["find_by lead_ids needs lead_id_from and lead_id_to, or lead_ids_path."]
    return [] if first <= last else ["lead_id_from must not be greater than lead_id_to."]


def skip_reason(config: Mapping[str, t.Any], stream: str) -> str | None:
    """Return why `reconcile` skips a stream: there is no file of it. None if it is not skipped."""
    if find_by(config) != BY_RECONCILE:
        return None
    path = RECONCILE_PATHS.get(stream)
    if path is None:
        return f"{stream}: skipped, for find_by reconcile has no file of it."
    return None if config.get(path) else f"{stream}: skipped, for {path} is not set."


def _reconcile_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    if any(config.get(path) for path in RECONCILE_PATHS.values()):
        return []
    return [f"find_by reconcile needs {' or '.join(RECONCILE_PATHS.values())}."]
