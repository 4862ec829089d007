"""The two sandbox pages in ``docs`` name exactly the features that the sandbox has."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

import marketo_sandbox
from marketo_sandbox.cli import main
from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.options import DIALECTS, LimitOptions, SandboxOptions
from marketo_sandbox.server.api import Api
from marketo_sandbox.server.control_routes import control_routes
from marketo_sandbox.server.faults import HTTP_FAULTS, OTHER_FAULTS, FaultRule
from marketo_sandbox.server.routes import IDENTITY_PATH, ROUTES
from marketo_sandbox.server.server import SandboxServer

HERE = Path(__file__).parent
PAGE = HERE.parents[1].joinpath("docs", "sandbox-coverage.md").read_text("utf-8")
SOURCES = sorted(Path(marketo_sandbox.__file__).parent.rglob("*.py"))
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and "::" in line
]


def functions_that_test():
    """Return every sandbox test as ``file::function``."""
    return {
        f"{path.name}::{node.name}"
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_a_test_that_exists():
    known = functions_that_test()
    named = re.findall(r"`(test_\w+\.py::\w+)`", PAGE)
    assert len(named) > 100
    assert [name for name in named if name not in known] == []


def test_every_rule_states_its_basis():
    rules = PAGE.split("## Rules")[1].split("## Sandbox-only features")[0]
    rows = [line for line in rules.splitlines() if line.startswith("| ") and "::" in line]
    bases = [row.split(" | ")[1] for row in rows]
    assert set(bases) == {"documented", "disputed", "assumed"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_endpoint_is_listed_with_its_operation(route):
    listed = [
        row
        for row in ROWS
        if row[0].endswith(f"{route.method} {route.path}`") and row[1] == route.name
    ]
    assert len(listed) == 1


def test_every_listed_endpoint_exists():
    listed = set(re.findall(r"`(?:GET|POST) (/(?:rest|identity)/[^`?]+)", PAGE))
    listed |= set(re.findall(r"`POST (/identity[^`?]+)", PAGE))
    assert listed == {route.path for route in ROUTES} | {IDENTITY_PATH}


def test_every_control_path_is_listed():
    instance = Instance()
    paths = {route.path for route in control_routes(Api(instance))}
    instance.close()
    listed = set(re.findall(r"(?:GET|POST|DELETE) (/(?:sandbox/[\w/]+)?)`", PAGE))
    assert listed == paths


def test_every_fault_is_listed():
    section = PAGE.split("### Injected faults")[1].split("### Malformed responses")[0]
    for fault in {*HTTP_FAULTS, *OTHER_FAULTS}:
        assert f"`{fault}`" in section


def test_every_member_of_a_rule_is_listed():
    section = PAGE.split("### Injected faults")[1].split("### Dialects")[0]
    members = {each.name for each in fields(FaultRule)} - {"struck"}
    assert [name for name in members if f"`{name}`" not in section] == []


def test_every_dialect_is_listed():
    section = PAGE.split("### Dialects")[1]
    assert set(re.findall(r"^\| `([a-z0-9-]+)`", section, re.MULTILINE)) == set(DIALECTS)


def test_every_error_code_in_the_sandbox_is_explained():
    raised = set()
    for path in SOURCES:
        text = path.read_text("utf-8")
        raised |= set(re.findall(r"RefusedError\(\s*\"(\d+)\"", text))
    assert len(raised) > 15
    assert sorted(code for code in raised if not re.search(rf"\b{code}\b", PAGE)) == []


GUIDE = HERE.parents[1].joinpath("docs", "sandbox.md").read_text("utf-8")


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_the_guide_has_exactly_the_command_line_options(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[\w-]+", capsys.readouterr().out)) - {"--help"}
    told = set(re.findall(r"`(--[a-z-]+)", GUIDE)) - {"--help", "--version"}
    assert options <= told
    if command == "serve":
        assert told == options


def test_every_option_of_an_instance_is_in_the_guide():
    names = {each.name for each in [*fields(SandboxOptions), *fields(LimitOptions)]}
    missing = [
        name
        for name in names
        if f"`{name}`" not in GUIDE
        and f"--{name.replace('_', '-')}" not in GUIDE
        and name != "faults"
    ]
    assert missing == []


def test_the_fault_rules_in_the_guide_are_valid(sandbox):
    orders = GUIDE.split("[the same way](sandbox-coverage.md#malformed-responses):")[1].split(
        "```"
    )[1]
    exec(orders.removeprefix("python"), {"sandbox": sandbox})
    assert len(sandbox.api.faults.to_list()) == 3


def test_every_method_in_the_guide_exists():
    section = GUIDE.split("| Method |")[1].split("\n\n")[0]
    named = set(re.findall(r"(\w+)\(", section))
    assert len(named) > 12
    assert [
        name for name in named if not hasattr(SandboxServer, name) and not hasattr(Instance, name)
    ] == []
