"""The definitions for Meltano in `plugins/` and in `meltano.yml`."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml

from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps

ROOT = Path(__file__).parents[1]
RULES = json.loads((ROOT / "tests" / "hub_rules.json").read_text())
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text())
PLUGINS = {"tap-marketo-opps": TapMarketoOpps, "target-marketo-opps": TargetMarketoOpps}
KINDS_OF_PLUGINS = {"tap-marketo-opps": "extractors", "target-marketo-opps": "loaders"}
KINDS = {"array", "boolean", "integer", "object", "string"}
SMALL_WORDS = {"at", "by", "of", "per"}
# Where a definition and the project of a clone differ, and why: the project installs the clone that
# it is in, keeps no catalog, and Meltano knows nothing of what the hub tells of a plugin.
OF_ONE_ALONE = {"pip_url", "use_cached_catalog"}
OF_THE_HUB = {"keywords", "maintenance_status", "quality", "supported_python_versions"}

every_plugin = pytest.mark.parametrize("name", PLUGINS)


def definition(name: str) -> dict[str, t.Any]:
    return yaml.safe_load((ROOT / "plugins" / f"{name}.yml").read_text())


def in_project(name: str) -> dict[str, t.Any]:
    (plugin,) = MELTANO["plugins"][KINDS_OF_PLUGINS[name]]
    return plugin


def properties(name: str) -> dict[str, t.Any]:
    """Return the schemas of a plugin's settings, those that the SDK adds included."""
    whole = copy.deepcopy(PLUGINS[name].config_jsonschema)
    PLUGINS[name].append_builtin_config(whole)
    return whole["properties"]


def faults(name: str, told: dict[str, t.Any]) -> list[str]:
    """Return the errors for which Meltano's hub would refuse a definition."""
    rules = RULES["definitions"]
    kind = KINDS_OF_PLUGINS[name]
    schema = {"$ref": f"#/definitions/{kind}", "definitions": rules}
    known = rules["plugin"]["properties"].keys() | rules[kind]["properties"].keys()
    wrong = [each.message for each in jsonschema.Draft7Validator(schema).iter_errors(told)]
    return wrong + sorted(told.keys() - known)


@every_plugin
def test_a_definition_is_one_by_the_hubs_rules(name):
    assert faults(name, definition(name)) == []


@every_plugin
@pytest.mark.parametrize(
    "broken",
    [
        {"quality": "excellent"},
        {"capabilities": ["flight"]},
        {"variant": None},
        {"settings": [{"name": "a", "kind": "number"}]},
        {"use_cached_catalog": False},
    ],
)
def test_the_rules_find_what_is_wrong(name, broken):
    assert len(faults(name, definition(name) | broken)) == 1


@every_plugin
def test_meltano_yml_has_the_definition(name):
    told, shown = definition(name), in_project(name)
    assert told.keys() - OF_ONE_ALONE - OF_THE_HUB == shown.keys() - OF_ONE_ALONE
    assert {key: shown[key] for key in shown.keys() - OF_ONE_ALONE} == {
        key: told[key] for key in shown.keys() - OF_ONE_ALONE
    }


@every_plugin
def test_it_has_every_setting_and_no_other(name):
    told = [setting["name"] for setting in definition(name)["settings"]]
    assert sorted(told) == sorted(properties(name))
    assert {"stream_maps", "stream_map_config", "flattening_max_depth"} <= {*told}


@every_plugin
def test_it_says_of_each_setting_what_the_plugin_says(name):
    told = {setting["name"]: setting for setting in definition(name)["settings"]}
    for setting, schema in properties(name).items():
        assert told[setting]["description"] == schema["description"], setting
        assert told[setting].get("sensitive", False) == schema.get("secret", False), setting
        assert told[setting].get("value") == schema.get("default"), setting
        assert told[setting]["kind"] in _kinds(schema), setting


def _kinds(schema: dict[str, t.Any]) -> set[str]:
    if "enum" in schema:
        return {"options"}
    if schema.get("format") == "date-time":
        return {"date_iso8601"}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return KINDS.intersection(types)


@every_plugin
def test_it_requires_what_the_plugin_requires(name):
    (group,) = definition(name)["settings_group_validation"]
    assert group == PLUGINS[name].config_jsonschema["required"]


@every_plugin
def test_it_has_the_capabilities_that_the_plugin_offers(name):
    offered = {capability.value for capability in PLUGINS[name].capabilities}
    assert set(definition(name)["capabilities"]) == offered


@every_plugin
def test_no_two_labels_are_alike_and_all_are_titles(name):
    labels = [setting["label"] for setting in definition(name)["settings"]]
    assert len(labels) == len({*labels})
    words = [word for label in labels for word in label.split()]
    assert [word for word in words if not word[0].isupper()] == [
        word for word in words if word in SMALL_WORDS or word[0].isdigit()
    ]


def test_the_plugins_labels_differ():
    assert len({definition(name)["label"] for name in PLUGINS}) == len(PLUGINS)


@every_plugin
def test_it_leads_to_no_address_that_nobody_has(name):
    told = definition(name)
    assert not {"repo", "docs", "logo_url", "domain_url"} & told.keys()
    assert told["pip_url"] == "${MARKETO_OPPS}"


def test_the_project_gives_only_settings_that_exist():
    for environment in MELTANO["environments"]:
        for kind in environment["config"]["plugins"].values():
            for plugin in kind:
                assert plugin["config"].keys() <= properties(plugin["name"]).keys()
