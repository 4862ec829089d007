"""The tap's own settings, besides those that tap and target share."""

from __future__ import annotations

import typing as t

from marketo_opps import MAX_BATCH_RECORDS, SettingsError
from marketo_opps.fields import EXTERNAL_ID, MARKETO_GUID
from marketo_opps.plugin.settings import REQUIRED_SETTINGS, SHARED_SETTINGS
from tap_marketo_opps.timestamps import normalize_iso

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
"""Stream names to the settings that name the warehouse's export of the stream."""

FILES_TO_READ = ("filter_values_path", "lead_ids_path", *RECONCILE_PATHS.values())
"""Settings with the path of a file that a run reads."""

FILTER_ALIASES = {"dedupeFields": EXTERNAL_ID, "idField": MARKETO_GUID}
"""Values of `filter_type` that are not field names, and the fields that they stand for."""

LEAD_PREFIX = "lead_"

LARGEST_LEAD_ID = 2**63 - 1
"""Marketo's IDs are integers of 64 bits."""

TAP_SETTINGS: dict[str, dict[str, t.Any]] = {
    "find_by": {
        "type": ["string", "null"],
        "enum": [BY_FILTER, BY_ACTIVITIES, BY_LEAD_IDS, BY_LEAD_LIST, BY_RECONCILE, None],
        "title": "Find by",
        "description": (
            "How to find opportunities (the API has no list endpoint): filter (look up values of a "
            "field), activities (read the activity log), lead_ids (sweep a range or file of lead "
            "IDs), lead_list (sweep the leads of a static list), reconcile (look up what the "
            "warehouse has); default: filter if filter values are given, else activities"
        ),
    },
    "filter_type": {
        "type": "string",
        "default": "dedupeFields",
        "title": "Filter Type",
        "description": (
            "Field to look up by (find_by: filter): a searchable field of opportunities, "
            "dedupeFields (externalOpportunityId) or idField (marketoGUID)"
        ),
    },
    "filter_values": {
        "type": ["array", "null"],
        "items": {"type": ["string", "integer"]},
        "title": "Filter Values",
        "description": "Values to look up (find_by: filter); values must not contain commas",
    },
    "filter_values_path": {
        "type": ["string", "null"],
        "title": "Filter Values File",
        "description": (
            "File of values to look up (find_by: filter): one value per line, or a CSV or TSV file "
            "with a header that names the field; can hold millions of values"
        ),
    },
    "lead_id_from": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": LARGEST_LEAD_ID,
        "title": "First Lead ID",
        "description": "First lead ID to read, inclusive (find_by: lead_ids)",
    },
    "lead_id_to": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": LARGEST_LEAD_ID,
        "title": "Last Lead ID",
        "description": "Last lead ID to read, inclusive (find_by: lead_ids)",
    },
    "lead_ids_path": {
        "type": ["string", "null"],
        "title": "Lead IDs File",
        "description": (
            "File of lead IDs to read instead of a range (find_by: lead_ids): a Smart List export "
            "as it is, or one lead ID per line"
        ),
    },
    "lead_list_id": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Lead List ID",
        "description": (
            "ID of the static list whose leads are read (find_by: lead_list), as in the list's "
            "address in Marketo (ST1001A1 is 1001)"
        ),
    },
    **{
        setting: {
            "type": ["string", "null"],
            "title": f"Reconcile {what.title()} File",
            "description": (
                f"Export of the warehouse's {stream} (find_by: reconcile): a CSV or TSV file with "
                "a header that names marketoGUID, preferably of all columns (select *), or one "
                "marketoGUID per line; can hold millions of rows"
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
            "Safety limit (find_by: reconcile): the run ends with an error if more than 100 rows, "
            "or all of more than 10, and more than this percentage of the rows looked up, no "
            "longer exist in Marketo"
        ),
    },
    "start_date": {
        "type": ["string", "null"],
        "format": "date-time",
        "title": "Start Date",
        "description": (
            "Read only what changed at or after this date-time; required to read the activity log "
            "for the first time"
        ),
    },
    "activity_overlap_seconds": {
        "type": "integer",
        "minimum": 0,
        # Marketo keeps its log for months, so a year is longer than any log.
        "maximum": 31_536_000,
        "default": 600,
        "title": "Activity Overlap Seconds",
        "description": (
            "Seconds of the activity log that the next run reads again, because an activity can "
            "become visible late"
        ),
    },
    "batch_size": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_BATCH_RECORDS,
        "default": MAX_BATCH_RECORDS,
        "title": "Batch Size",
        "description": "Records per page",
    },
    "max_run_seconds": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Max Run Seconds",
        "description": (
            "Pause the run after this many seconds, once it has made some progress: no new call "
            "starts, and the next run resumes from the last STATE; default: no limit"
        ),
    },
    "lead_fields": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1},
        "title": "Lead Fields",
        "description": (
            "Fields of the lead to add to each record of opportunity_roles as lead_<name>, by "
            "their REST API names (such as email); values are as of when the role is read"
        ),
    },
    "field_names": {
        "type": ["array", "null"],
        "items": {"type": "string"},
        "title": "Field Names",
        "description": "Names of the fields to read for opportunity_fields; default: all",
    },
}

CONFIG_SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "properties": {**SHARED_SETTINGS, **TAP_SETTINGS},
    "required": list(REQUIRED_SETTINGS),
}


def find_by(config: Mapping[str, t.Any]) -> str:
    """Return the value of `find_by`, or the default that follows from the other settings."""
    if chosen := config.get("find_by"):
        return str(chosen)
    has_values = config.get("filter_values") is not None or config.get("filter_values_path")
    return BY_FILTER if has_values else BY_ACTIVITIES


def key_field(filter_type: str) -> str:
    """Return the name of the field that the setting `filter_type` means, which can be an alias."""
    return FILTER_ALIASES.get(filter_type, filter_type)


def lead_columns(config: Mapping[str, t.Any]) -> dict[str, str]:
    """Return the lead columns of roles (`lead_email`), each with the lead's REST name (`email`)."""
    return {f"{LEAD_PREFIX}{name}": name for name in config.get("lead_fields") or ()}


def start_date(config: Mapping[str, t.Any]) -> str | None:
    """Return `start_date` as a UTC timestamp, or None if it is not set.

    Raises:
        SettingsError: The value is not a date-time.
    """
    given = config.get("start_date")
    if not given:
        return None
    try:
        return normalize_iso(str(given))
    except ValueError:
        raise SettingsError(
            "Invalid value for setting 'start_date': must be a date-time such as "
            f"2026-01-31T00:00:00Z (got {given!r})."
        ) from None


def setting_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    """Return a sentence for each conflict among the tap's own settings."""
    rules = {
        BY_FILTER: _filter_conflicts,
        BY_LEAD_IDS: _lead_conflicts,
        BY_LEAD_LIST: _list_conflicts,
        BY_RECONCILE: _reconcile_conflicts,
    }.get(find_by(config))
    conflicts = rules(config) if rules else []
    if "id" in map(str.casefold, lead_columns(config).values()):
        conflicts.append("lead_fields must not include id: opportunity_roles have it as leadId.")
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
        "find_by: filter requires filter_values or filter_values_path"
        + (", not both." if given else ".")
    ]


def _list_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    has_list = config.get("lead_list_id") is not None
    return [] if has_list else ["find_by: lead_list requires lead_list_id."]


def _lead_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    first, last = config.get("lead_id_from"), config.get("lead_id_to")
    if config.get("lead_ids_path"):
        if first is None and last is None:
            return []
        return ["lead_ids_path cannot be combined with lead_id_from or lead_id_to."]
    if first is None or last is None:
        return ["find_by: lead_ids requires lead_id_from and lead_id_to, or lead_ids_path."]
    return [] if first <= last else ["lead_id_from must not be greater than lead_id_to."]


def skip_reason(config: Mapping[str, t.Any], stream: str) -> str | None:
    """Return why `find_by: reconcile` skips a stream, or None if the stream is not skipped."""
    if find_by(config) != BY_RECONCILE:
        return None
    path = RECONCILE_PATHS.get(stream)
    if path is None:
        return f"{stream}: skipped because find_by: reconcile has no file for it."
    return None if config.get(path) else f"{stream}: skipped because {path} is not set."


def _reconcile_conflicts(config: Mapping[str, t.Any]) -> list[str]:
    if any(config.get(path) for path in RECONCILE_PATHS.values()):
        return []
    return [f"find_by: reconcile requires {' or '.join(RECONCILE_PATHS.values())}."]
