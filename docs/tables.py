"""Generates tables and definitions in README.md, docs/errors.md, meltano.yml and plugins/."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from pathlib import Path

from marketo_opps import errors
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps

TESTS = Path(__file__).parents[1] / "tests"
COUNTED = ("seconds", "runs", "kills", "faults", "records", "lost")
PLUGINS: dict[str, t.Any] = {"tap": TapMarketoOpps, "target": TargetMarketoOpps}
_LABELS = {
    "tap": (
        "Marketo Opportunities",
        "Opportunities, their roles and their fields, out of Adobe Marketo Engage",
    ),
    "target": (
        "Marketo Opportunities (Reverse ETL)",
        "Opportunities and roles as upserts and deletes into Adobe Marketo Engage",
    ),
}
_SELECTED = (OPPORTUNITIES, ROLES, FIELDS)
# The SDK adds these settings, and describes them in --about.
_SDK_SETTINGS = frozenset(
    {"stream_maps", "stream_map_config", "faker_config", "flattening_enabled"}
    | {"flattening_max_depth", "flattening_max_key_length"}
)
_MELTANO_KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}


def settings(kind: str) -> dict[str, dict[str, t.Any]]:
    """Return the schemas of a plugin's own settings, without those that the SDK adds."""
    properties = PLUGINS[kind].config_jsonschema["properties"]
    return {name: schema for name, schema in properties.items() if name not in _SDK_SETTINGS}


def settings_table(kind: str) -> str:
    """Return the settings of the tap or target as a Markdown table."""
    required = PLUGINS[kind].config_jsonschema.get("required", ())
    rows = [
        f"| `{name}` | {_type(schema)} | {_default(schema, required=name in required)} "
        f"| {_cell(schema['description'])} |"
        for name, schema in settings(kind).items()
    ]
    return "\n".join(["| setting | type | default | meaning |", "| --- | --- | --- | --- |", *rows])


def random_tests_table() -> str:
    """Return a Markdown table of the counts that long runs of the random tests have appended."""
    lines = [
        "| | hours | runs of tap and target | killed | injected faults | records compared | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, program in (("random cases", "fuzz"), ("soak test", "soak")):
        total: Counter[str] = Counter()
        for line in (TESTS / program / "counts.jsonl").read_text("utf-8").splitlines():
            total.update({key: n for key, n in json.loads(line).items() if key in COUNTED})
        counts = " | ".join(f"{total[each]:,}" for each in COUNTED[1:])
        lines.append(f"| {name} (`make {program}`) | {total['seconds'] / 3600:.1f} | {counts} |")
    return "\n".join(lines)


def errors_table() -> str:
    """Return Marketo's response-level codes as a Markdown table, with what to do about each."""
    rows = [
        f"| {', '.join(sorted(codes))} | {_cell(_first_line(error))} "
        f"| {error.recovery.value} | {_cell(remedy)} |"
        for error in errors.ResponseError.__subclasses__()
        for remedy, codes in _codes_by_remedy(error).items()
    ]
    head = ["| codes | meaning | what the plugins do | what you can do |", "| --- " * 4 + "|"]
    return "\n".join([*head, *rows])


def _codes_by_remedy(error: type[errors.ResponseError]) -> dict[str, list[str]]:
    of_single_codes = getattr(error, "remedies", {})
    found: dict[str, list[str]] = {}
    for code in sorted(error.codes):
        found.setdefault(of_single_codes.get(code, error.remedy), []).append(code)
    return dict(sorted(found.items(), key=lambda each: each[0] != error.remedy))


def plugin_definition(kind: str) -> str:
    """Return the definition of the tap or target for `meltano add --from-ref`."""
    lines = [*_head(kind), "pip_url: ${MARKETO_OPPS}", *_body(kind), *_hub_lines()]
    return "\n".join(lines)


def meltano_plugin(kind: str) -> str:
    """Return the definition of the tap or target in meltano.yml of this repository."""
    # Without it, Meltano reuses the catalog of an earlier run, which lacks newer fields.
    fresh = ["use_cached_catalog: false"] if kind == "tap" else []
    first, *more = [*_head(kind), "pip_url: -e .", *fresh, *_body(kind)]
    return "\n".join([f"- {first}", *(f"  {line}" for line in more)])


def _head(kind: str) -> list[str]:
    name = PLUGINS[kind].name
    label, description = _LABELS[kind]
    return [
        f"name: {name}",
        f"namespace: {name.replace('-', '_')}",
        "variant: marketo-opps",
        f"label: {label}",
        f"description: {description}",
        f"executable: {name}",
    ]


def _body(kind: str) -> list[str]:
    plugin = PLUGINS[kind]
    capabilities = sorted(capability.value for capability in plugin.capabilities)
    return [
        *("capabilities:", *(f"- {each}" for each in capabilities)),
        # By default Meltano selects every stream, including those of the activity log.
        *(("select:", *(f"- {name}.*" for name in _SELECTED)) if kind == "tap" else ()),
        *("settings_group_validation:", "- " + json.dumps(plugin.config_jsonschema["required"])),
        *("settings:", *_meltano_settings(kind)),
    ]


def _hub_lines() -> list[str]:
    return [
        "keywords: [crm, marketing, meltano_sdk]",
        "maintenance_status: beta",
        "quality: unknown",
        "supported_python_versions: ['3.11', '3.12', '3.13']",
    ]


def _meltano_settings(kind: str) -> t.Iterator[str]:
    for name, schema in _all_settings(kind).items():
        yield from _meltano(name, schema)


def _all_settings(kind: str) -> dict[str, dict[str, t.Any]]:
    """Return the schemas of all settings of a plugin, including those that the SDK adds."""
    whole = {"properties": dict(PLUGINS[kind].config_jsonschema["properties"])}
    PLUGINS[kind].append_builtin_config(whole)
    return whole["properties"]


def _meltano(name: str, schema: dict[str, t.Any]) -> list[str]:
    lines = [f"- name: {name}", f"  label: {schema['title']}"]
    lines.append(f"  kind: {_meltano_kind(schema)}")
    if schema.get("secret"):
        lines.append("  sensitive: true")
    if "default" in schema:
        lines.append(f"  value: {json.dumps(schema['default'])}")
    lines.append(f"  description: {json.dumps(schema['description'])}")
    if "enum" in schema:
        lines.append("  options:")
        for option in _options(schema):
            lines += [f"  - label: {option}", f"    value: {option}"]
    return lines


def _meltano_kind(schema: dict[str, t.Any]) -> str:
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    return _MELTANO_KINDS[_json_type(schema)]


def _json_type(schema: dict[str, t.Any]) -> str:
    kinds = schema["type"]
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")


def _type(schema: dict[str, t.Any]) -> str:
    if "enum" in schema:
        return " / ".join(f"`{option}`" for option in _options(schema))
    text = {"array": "array of strings"}.get(_json_type(schema), _json_type(schema))
    if schema.get("format") == "date-time":
        text = "date-time"
    if "minimum" in schema and "maximum" in schema:
        text += f" {schema['minimum']}\u2013{schema['maximum']}"
    return text + (", secret" if schema.get("secret") else "")


def _options(schema: dict[str, t.Any]) -> list[str]:
    return [option for option in schema["enum"] if option is not None]


def _default(schema: dict[str, t.Any], *, required: bool) -> str:
    if required:
        return "required"
    return f"`{json.dumps(schema['default'])}`" if "default" in schema else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_line(error: type[errors.ResponseError]) -> str:
    return (error.__doc__ or "").split("\n")[0]
