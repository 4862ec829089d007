"""Define the target's own settings: their schema, validation and values."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from marketo_opps.keys import comparable_name
from marketo_opps.plugin.settings import REQUIRED_SETTINGS, SHARED_SETTINGS

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWN_SETTINGS: dict[str, dict[str, t.Any]] = {
    "action": {
        "type": "string",
        "enum": ["createOrUpdate", "createOnly", "updateOnly"],
        "default": "createOrUpdate",
        "title": "Action",
        "description": (
            "Write mode: create and update records (`createOrUpdate`), only create new records "
            "(`createOnly`), or only update existing records (`updateOnly`)."
        ),
    },
    "dedupe_by": {
        "type": "string",
        "enum": ["dedupeFields", "idField"],
        "default": "dedupeFields",
        "title": "Dedupe by",
        "description": (
            "Key that identifies a record: `dedupeFields` (externalOpportunityId), or `idField` "
            "(marketoGUID), which needs action `updateOnly`."
        ),
    },
    "stream_objects": {
        "type": "object",
        "additionalProperties": {
            "type": "string",
            "enum": ["opportunities", "opportunity_roles", "ignore"],
        },
        "default": {},
        "title": "Stream Objects",
        "description": (
            "Maps stream names to `opportunities`, `opportunity_roles` or `ignore`. Without an "
            "entry, a stream is written to opportunities if it is named `opportunities` or has a "
            "property for the key field."
        ),
    },
    "field_map": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
        },
        "default": {},
        "title": "Field Map",
        "description": (
            "Field mapping by stream: property names to API names of Marketo fields, for "
            "properties that are not named like their field: "
            '`{"deals": {"deal_id": "externalOpportunityId"}}`. Use the names that streams and '
            "properties have after `stream_maps`."
        ),
    },
    "unknown_fields": {
        "type": "string",
        "enum": ["warn", "ignore", "fail"],
        "default": "warn",
        "title": "Unknown Fields",
        "description": (
            "Properties that the instance has no field for: skip them with one warning per stream "
            "(`warn`), skip them silently (`ignore`), or reject the record (`fail`)."
        ),
    },
    "nulls": {
        "type": "string",
        "enum": ["send", "skip"],
        "default": "send",
        "title": "Nulls",
        "description": (
            "Null or empty properties: clear the field in Marketo (`send`), or leave the field "
            "unchanged (`skip`)."
        ),
    },
    "skip_unchanged": {
        "type": "boolean",
        "default": False,
        "title": "Skip Unchanged",
        "description": (
            "Look up existing records first (one read call per 300) and write only records that "
            "differ, so that unchanged records do not fire 'Opportunity is Updated' triggers."
        ),
    },
    "truncate_strings": {
        "type": "boolean",
        "default": False,
        "title": "Truncate Strings",
        "description": "Truncate strings that are too long instead of rejecting the record.",
    },
    "hard_delete": {
        "type": "boolean",
        "default": False,
        "title": "Hard Delete",
        "description": (
            "Delete a record in Marketo if `_sdc_deleted_at` marks it as deleted (a soft delete). "
            "If `false`, such a record is left alone and counted."
        ),
    },
    "lead_lookup_field": {
        "type": "string",
        "minLength": 1,
        "title": "Lead Lookup Field",
        "description": (
            "Lead field by which to look up the lead of each role: `email` or a CRM's id; not "
            "`id`. Roles must have its value in property `lead_<name>` or `<name>`. Their `leadId` "
            "is then ignored, because it is the id of another instance's lead."
        ),
    },
    "lead_lookup_many": {
        "type": "string",
        "enum": ["reject", "oldest", "newest"],
        "default": "reject",
        "title": "Lead Lookup Many",
        "description": (
            "If several leads match a role: reject the role (`reject`), or use the lead that was "
            "created first (`oldest`) or last (`newest`)."
        ),
    },
    "merge_versions": {
        "type": "boolean",
        "default": True,
        "title": "Merge Versions",
        "description": (
            "Merge waiting upserts of the same key into one, field by field. Set to `false` to "
            "send each, for campaigns that trigger on every change. No effect with `createOnly`."
        ),
    },
    "receipts_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Receipts Path",
        "description": (
            "JSON Lines file to which a line is appended for every record once its outcome is "
            "known: key, status, marketoGUID and requestId. Not written in a dry run."
        ),
    },
    "diff_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Diff Path",
        "description": (
            "With `dry_run`: JSON Lines file to which a line is appended for every record: "
            "whether it would be created, updated or deleted, and each field's old and new value."
        ),
    },
    "rejects_path": {
        "type": "string",
        "minLength": 1,
        "title": "Rejects Path",
        "description": "JSON Lines file to which rejected records are appended (dead letters).",
    },
    "max_rejects": {
        "type": "integer",
        "minimum": -1,
        "default": 0,
        "title": "Max Rejects",
        "description": "Fail the run if more records than this are rejected; -1: no limit.",
    },
    "max_records": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Max Records",
        "description": (
            "Deliver a sample: only the first records of each stream, up to this number. The rest "
            "of the input is read and skipped. No STATE is written."
        ),
    },
    "dry_run": {
        "type": "boolean",
        "default": False,
        "title": "Dry Run",
        "description": (
            "Do everything except write to Marketo: describe, map, validate, look up and count. "
            "No STATE is written."
        ),
    },
}

CONFIG_SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "properties": {**SHARED_SETTINGS, **_OWN_SETTINGS},
    "required": list(REQUIRED_SETTINGS),
}
"""JSON schema of the target's settings, without the settings that the SDK adds."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Values of the target's own settings; `CONFIG_SCHEMA` describes each of them."""

    action: str = "createOrUpdate"
    dedupe_by: str = "dedupeFields"
    stream_objects: Mapping[str, str] = field(default_factory=dict)
    field_map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown_fields: str = "warn"
    nulls: str = "send"
    skip_unchanged: bool = False
    truncate_strings: bool = False
    hard_delete: bool = False
    lead_lookup_field: str | None = None
    lead_lookup_many: str = "reject"
    merge_versions: bool = True
    receipts_path: str | None = None
    diff_path: str | None = None
    rejects_path: str | None = None
    max_rejects: int = 0
    max_records: int | None = None
    dry_run: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, t.Any]) -> TargetSettings:
        """Return the target's settings from a config that was validated."""
        chosen = {name: config.get(name) for name in _OWN_SETTINGS}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    @property
    def writes_roles(self) -> bool:
        """Return whether any stream is written to opportunity roles."""
        return "opportunity_roles" in self.stream_objects.values()

    @property
    def writes_states(self) -> bool:
        """Return whether the target writes the STATEs that it receives to standard output.

        It does not in a dry run or with `max_records`, when not all records are delivered.
        """
        return not self.dry_run and self.max_records is None

    @property
    def merges(self) -> bool:
        """Return whether upserts with the same key are merged before they are sent.

        With `createOnly` they are not, because Marketo has to reject the second one.
        """
        return self.merge_versions and self.action != "createOnly"

    def exceeded_by(self, rejected: int) -> bool:
        """Return whether a number of rejected records exceeds `max_rejects`."""
        return self.max_rejects >= 0 and rejected > self.max_rejects


def combination_errors(config: Mapping[str, t.Any]) -> list[str]:
    """Return an error message for each invalid combination of settings."""
    return [*_dedupe_errors(config), *_lookup_errors(config), *_dry_run_errors(config)]


def _dry_run_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    if config.get("diff_path") and not config.get("dry_run"):
        yield (
            "diff_path needs dry_run: it reports what a run would change. To record what a run "
            "has done, set receipts_path."
        )


def _dedupe_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    if config.get("dedupe_by") == "idField" and config.get("action") != "updateOnly":
        yield "dedupe_by 'idField' needs action 'updateOnly': Marketo assigns marketoGUIDs itself."


def _lookup_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    field = config.get("lead_lookup_field")
    if not isinstance(field, str):
        return
    if comparable_name(field) == "id":
        yield (
            "lead_lookup_field must not be 'id': roles that have Marketo's own lead id need no "
            "lookup. Remove the setting, or use a field such as 'email'."
        )
    if config.get("dedupe_by") == "idField":
        yield (
            "lead_lookup_field cannot be combined with dedupe_by 'idField', which finds a role "
            "without its lead: remove one of them."
        )
