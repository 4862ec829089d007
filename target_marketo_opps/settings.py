"""The target's own settings: their schema, and their values once checked."""

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
        "description": "What Marketo does with a record whose key it knows, or does not know.",
    },
    "dedupe_by": {
        "type": "string",
        "enum": ["dedupeFields", "idField"],
        "default": "dedupeFields",
        "title": "Dedupe by",
        "description": (
            "What identifies a record: `dedupeFields` (externalOpportunityId), or `idField` "
            "(marketoGUID), which only `updateOnly` can use."
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
            "Stream name to `opportunities`, `opportunity_roles` or `ignore`. Without an entry, "
            "`opportunities` and any stream with a property for the key field are opportunities."
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
            "Stream name to an object of property names and the API names of the fields that they "
            "are written to, for properties that are not called as Marketo's fields: "
            '`{"deals": {"deal_id": "externalOpportunityId"}}`. Streams and properties are named '
            "as after `stream_maps`."
        ),
    },
    "unknown_fields": {
        "type": "string",
        "enum": ["warn", "ignore", "fail"],
        "default": "warn",
        "title": "Unknown Fields",
        "description": (
            "Properties that the instance has no field for: left out with one log line (`warn`), "
            "left out (`ignore`), or the record is rejected (`fail`)."
        ),
    },
    "nulls": {
        "type": "string",
        "enum": ["send", "skip"],
        "default": "send",
        "title": "Nulls",
        "description": (
            "A null or empty property clears the field in Marketo (`send`), or is left out of the "
            "call (`skip`)."
        ),
    },
    "skip_unchanged": {
        "type": "boolean",
        "default": False,
        "title": "Skip Unchanged",
        "description": (
            "Look the keys up first (a read call for each 300) and write only what differs, so "
            "that no 'Opportunity is Updated' trigger fires for nothing."
        ),
    },
    "truncate_strings": {
        "type": "boolean",
        "default": False,
        "title": "Truncate Strings",
        "description": "Cut over-long strings instead of rejecting the record.",
    },
    "hard_delete": {
        "type": "boolean",
        "default": False,
        "title": "Hard Delete",
        "description": (
            "Records with `_sdc_deleted_at` are deleted in Marketo; otherwise they are left alone "
            "and counted."
        ),
    },
    "lead_lookup_field": {
        "type": "string",
        "minLength": 1,
        "title": "Lead Lookup Field",
        "description": (
            "Field of leads by which roles find their lead: `email`, or the id that a CRM gives "
            "it; not `id`. Roles have it as property `lead_<name>` or `<name>`. A `leadId` in the "
            "record is not used then: it belongs to the instance that the record came from."
        ),
    },
    "lead_lookup_many": {
        "type": "string",
        "enum": ["reject", "oldest", "newest"],
        "default": "reject",
        "title": "Lead Lookup Many",
        "description": (
            "Which of several leads with that value takes the role: none (`reject`), or the one "
            "that was created first (`oldest`) or last (`newest`)."
        ),
    },
    "merge_versions": {
        "type": "boolean",
        "default": True,
        "title": "Merge Versions",
        "description": (
            "Merge upserts of one key that wait into one, field by field; `false` sends each, for "
            "campaigns that trigger on every step. Never with `createOnly`."
        ),
    },
    "receipts_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Receipts Path",
        "description": (
            "JSON Lines file, appended to, that takes a line for every record once it is settled: "
            "its key, what became of it, its marketoGUID and the requestId. None in a dry run."
        ),
    },
    "diff_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Diff Path",
        "description": (
            "With `dry_run`: JSON Lines file, appended to, that takes a line for every record: "
            "whether it would be created, updated and so on, and each field's old and new value."
        ),
    },
    "rejects_path": {
        "type": "string",
        "minLength": 1,
        "title": "Rejects Path",
        "description": "JSON Lines file, appended to, that takes every rejected record.",
    },
    "max_rejects": {
        "type": "integer",
        "minimum": -1,
        "default": 0,
        "title": "Max Rejects",
        "description": "Past this many rejected records the run fails; -1 means no limit.",
    },
    "max_records": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Max Records",
        "description": (
            "A sample: the first so many records of each stream are delivered, the rest of the "
            "input is read and left out. No STATE goes out."
        ),
    },
    "dry_run": {
        "type": "boolean",
        "default": False,
        "title": "Dry Run",
        "description": (
            "Do everything but write: describe, map, check, look up and count. No STATE goes out."
        ),
    },
}

CONFIG_SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "properties": {**SHARED_SETTINGS, **_OWN_SETTINGS},
    "required": list(REQUIRED_SETTINGS),
}
"""JSON schema of the target's settings, without those that the SDK adds."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """The target's own settings; the description of each in the schema is its contract."""

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
        """Pick the target's settings from a config that has been validated."""
        chosen = {name: config.get(name) for name in _OWN_SETTINGS}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    @property
    def writes_roles(self) -> bool:
        """Return whether some stream is written to roles."""
        return "opportunity_roles" in self.stream_objects.values()

    @property
    def writes_states(self) -> bool:
        """Return whether what the input holds is delivered for good, so that STATE may go out."""
        return not self.dry_run and self.max_records is None

    @property
    def merges(self) -> bool:
        """Return whether upserts of one key are merged; a second create has to be refused."""
        return self.merge_versions and self.action != "createOnly"

    def exceeded_by(self, rejected: int) -> bool:
        """Return whether so many rejected records exceed max_rejects."""
        return self.max_rejects >= 0 and rejected > self.max_rejects


def combination_errors(config: Mapping[str, t.Any]) -> list[str]:
    """Return what is wrong with settings that are each valid by itself, one sentence each."""
    return [*_dedupe_errors(config), *_lookup_errors(config), *_dry_run_errors(config)]


def _dry_run_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    if config.get("diff_path") and not config.get("dry_run"):
        yield (
            "diff_path needs dry_run: it tells what a run would change. What a run has done is in "
            "the file at receipts_path."
        )


def _dedupe_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    if config.get("dedupe_by") == "idField" and config.get("action") != "updateOnly":
        yield "dedupe_by 'idField' needs action 'updateOnly': a marketoGUID cannot be created."


def _lookup_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    field = config.get("lead_lookup_field")
    if not isinstance(field, str):
        return
    if comparable_name(field) == "id":
        yield (
            "lead_lookup_field must not be 'id': roles that have Marketo's own lead id need no "
            "lookup. Leave it out, or name a field such as 'email'."
        )
    if config.get("dedupe_by") == "idField":
        yield (
            "lead_lookup_field has no use with dedupe_by 'idField', by which a role is found "
            "without its lead: leave one of them out."
        )
