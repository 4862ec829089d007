"""Tests of `examples/` that need no third-party program."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys

import jsonschema
import pytest

from tap_marketo_opps.settings import CONFIG_SCHEMA as TAP
from target_marketo_opps.settings import CONFIG_SCHEMA as TARGET
from tests.test_architecture import PACKAGES, ROOT

EXAMPLE = ROOT / "examples" / "dagster"
MODULES = sorted(EXAMPLE.glob("*.py"))
ENTRIES = json.loads((EXAMPLE / "instances.json").read_text())


def names_used(path):
    """Yield the full names that a module imports, and the names of attributes that it reads."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and not is_own(node):
            yield node.attr


def is_own(node):
    return isinstance(node.value, ast.Name) and node.value.id == "self"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_an_example_needs_our_programs_and_nothing_private(path):
    names = set(names_used(path))
    assert not {name for name in names if name.split(".")[0] in PACKAGES}
    public = {name for name in names if not re.search(r"(^|\.)_(?!_)", name)}
    assert public == names


def test_the_examples_page_names_each_of_its_files():
    text = (EXAMPLE / "README.md").read_text()
    files = {path.name for path in EXAMPLE.iterdir() if path.is_file()} - {"README.md"}
    assert {name for name in files if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_settings_in_the_list_of_instances_are_valid(entry):
    for kind, schema in (("tap", TAP), ("target", TARGET)):
        known = {"properties": schema["properties"], "additionalProperties": False}
        # Not `validate`, which checks the schema first: the SDK's part of it is invalid.
        jsonschema.Draft7Validator(known).validate(entry.get(kind, {}))


@pytest.fixture(scope="module")
def instances():
    """Yield the example's module `instances`, which only needs Python."""
    spec = importlib.util.spec_from_file_location("instances", EXAMPLE / "instances.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # A dataclass looks up its module by name.
        patch.setitem(sys.modules, "instances", module)
        spec.loader.exec_module(module)
        yield module


def test_a_plugin_sees_its_own_instances_secrets_alone(instances):
    variables = {
        "PATH": "/bin",
        "TAP_MARKETO_EMEA_CLIENT_SECRET": "tap of emea",
        "TARGET_MARKETO_EMEA_CLIENT_SECRET": "target of emea",
        "TAP_MARKETO_AMER_CLIENT_SECRET": "tap of amer",
        "TAP_MARKETO_OPPS_CLIENT_SECRET": "of nobody",
    }

    assert instances.Instance("emea").environment(variables) == {
        "PATH": "/bin",
        "TAP_MARKETO_OPPS_CLIENT_SECRET": "tap of emea",
        "TARGET_MARKETO_OPPS_CLIENT_SECRET": "target of emea",
    }


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([{"name": "emea"}, {"name": "emea"}], "a name twice: emea, emea"),
        ([{"name": "emea_west"}], "a name of small letters and digits"),
        ([{}], "an entry with nothing"),
        ([{"name": "emea", "client_secret": "x"}], "an entry with name, client_secret"),
    ],
)
def test_a_wrong_list_of_instances_is_refused(instances, tmp_path, entries, told):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=told):
        instances.read_instances(path)
