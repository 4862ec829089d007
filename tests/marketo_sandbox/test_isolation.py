"""The sandbox shares nothing with the client: one misread code would pass every test otherwise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import marketo_sandbox

SANDBOX = Path(marketo_sandbox.__file__).parent
OURS = ("marketo_opps", "tap_marketo_opps", "target_marketo_opps")
# The demonstration runs the two plugins as processes, and is no part of the instance.
FILES = sorted(path for path in SANDBOX.rglob("*.py") if path.name != "demo.py")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_sandbox_imports_nothing_of_ours_but_itself(path):
    ours = [name for name in imported(path) if name.split(".")[0] in OURS]
    assert [name for name in ours if not name.startswith("marketo_sandbox.")] == []


@pytest.mark.parametrize("package", OURS)
def test_nothing_of_ours_imports_the_sandbox(package):
    root = SANDBOX.parent.parent / package
    outside = [path for path in root.rglob("*.py") if SANDBOX not in path.parents]
    assert outside
    for path in outside:
        found = [name for name in imported(path) if name.startswith("marketo_sandbox")]
        assert found == [], path


def test_the_instance_knows_no_http():
    inner = {
        "instance",
        "records",
        "requests",
        "storage",
        "writing",
        "seed",
        "values",
        "activity_log",
        "describe",
        "access",
        "page_tokens",
        "limits",
        "clock",
    }
    web = {"starlette", "uvicorn", "httptools", "http", "urllib"}
    for name in inner:
        roots = {each.split(".")[0] for each in imported(SANDBOX / f"{name}.py")}
        assert not roots & web, name
