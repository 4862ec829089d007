"""Imports follow the allowed arrows, without circles, and the repository is self-contained."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("marketo_opps", "marketo_sandbox", "tap_marketo_opps", "target_marketo_opps")

# From the bottom up: a module of a room may import the modules of its own room (in no circle) and
# of the rooms named beside it. The longest name that fits a module is its room.
ARROWS = {
    "marketo_opps": set(),
    "marketo_opps.plugin": {"marketo_opps"},
    "tap_marketo_opps.finding": {"marketo_opps", "marketo_opps.plugin"},
    "tap_marketo_opps.sync": {"marketo_opps", "marketo_opps.plugin", "tap_marketo_opps.finding"},
    "tap_marketo_opps.reconcile": {
        "marketo_opps",
        "marketo_opps.plugin",
        "tap_marketo_opps.finding",
        "tap_marketo_opps.sync",
    },
    "tap_marketo_opps": {
        "marketo_opps",
        "marketo_opps.plugin",
        "tap_marketo_opps.finding",
        "tap_marketo_opps.reconcile",
        "tap_marketo_opps.sync",
    },
    "target_marketo_opps.input": {"marketo_opps", "marketo_opps.plugin"},
    "target_marketo_opps.mapping": {"marketo_opps", "marketo_opps.plugin"},
    "target_marketo_opps.state": {"marketo_opps", "marketo_opps.plugin"},
    "target_marketo_opps.delivery": {
        "marketo_opps",
        "marketo_opps.plugin",
        "target_marketo_opps.mapping",
        "target_marketo_opps.state",
    },
    "target_marketo_opps": {
        "marketo_opps",
        "marketo_opps.plugin",
        "target_marketo_opps.delivery",
        "target_marketo_opps.input",
        "target_marketo_opps.mapping",
        "target_marketo_opps.state",
    },
    "marketo_sandbox.instance": {"marketo_sandbox.options"},
    "marketo_sandbox.server": {"marketo_sandbox.instance", "marketo_sandbox.options"},
    "marketo_sandbox.options": set(),
    "marketo_sandbox": {
        "marketo_sandbox.instance",
        "marketo_sandbox.options",
        "marketo_sandbox.server",
    },
}

# What every room of a plugin may use: values and errors that import nothing of the plugin.
FOUNDATIONS = {
    "tap_marketo_opps": {
        "tap_marketo_opps.errors",
        "tap_marketo_opps.timestamps",
        "tap_marketo_opps.settings",
        "tap_marketo_opps.singer_writer",
    },
    "target_marketo_opps": {
        "target_marketo_opps.errors",
        "target_marketo_opps.json_lines",
        "target_marketo_opps.settings",
    },
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules():
    """Return all modules of this project by name."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {module_name(path): path for path in paths}


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


@cache
def imported_names(module):
    """Return the full names that a module imports anywhere, type-only imports included."""
    names = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(name):
    """Return the module of this project that an imported name belongs to, or None."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


@cache
def imports(module):
    """Return the modules of this project that a module imports."""
    return {found for name in imported_names(module) if (found := module_of(name))} - {module}


def room_of(module):
    return max((room for room in ARROWS if is_within(module, room)), key=len)


def test_modules_and_their_imports_are_found():
    assert len(modules()) > 90
    assert "marketo_opps.errors" in imports("marketo_opps.auth")
    assert "tap_marketo_opps.finding.key_scan" in imports("tap_marketo_opps.finding.finders")
    assert room_of("target_marketo_opps.delivery.rejects") == "target_marketo_opps.delivery"


@pytest.mark.parametrize("module", modules())
def test_imports_follow_the_arrows(module):
    room = room_of(module)
    foundations = FOUNDATIONS.get(module.partition(".")[0], set())
    allowed = ARROWS[room] | {room}
    offences = [
        each
        for each in sorted(imports(module))
        if room_of(each) not in allowed and each not in foundations
    ]
    assert not offences


@pytest.mark.parametrize("module", ["tap_marketo_opps", "target_marketo_opps"])
def test_foundations_import_nothing_of_their_plugin(module):
    for each in FOUNDATIONS[module]:
        own = {found for found in imports(each) if is_within(found, module)}
        assert own <= FOUNDATIONS[module], each


def test_imports_have_no_circle_type_only_ones_included():
    graph = {module: imports(module) for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_client_imports_nothing_of_singer():
    offences = [
        module
        for module in modules()
        if room_of(module) == "marketo_opps"
        and any(is_within(name, "singer_sdk") for name in imported_names(module))
    ]
    assert not offences


@pytest.mark.parametrize("plugin", ["tap_marketo_opps", "target_marketo_opps"])
def test_the_plugins_use_only_public_names_of_the_client(plugin):
    offences = [
        f"{module}: {name}"
        for module in modules()
        if is_within(module, plugin)
        for name in imported_names(module)
        if is_within(name, "marketo_opps") and any(part[:1] == "_" for part in name.split("."))
    ]
    assert not offences


def test_the_sandbox_instance_imports_no_http():
    web = {"starlette", "uvicorn", "httptools", "http", "urllib"}
    inner = [each for each in modules() if room_of(each) == "marketo_sandbox.instance"]
    assert len(inner) > 10
    offences = [
        each for each in inner if web & {name.split(".")[0] for name in imported_names(each)}
    ]
    assert not offences


def test_importing_the_sandbox_loads_no_client_and_no_dependency():
    script = (
        "import sys, marketo_sandbox.cli, marketo_sandbox.options, marketo_sandbox.pytest_plugin\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(roots & {'marketo_opps', 'tap_marketo_opps', 'target_marketo_opps',"
        " 'requests', 'jsonschema', 'msgspec', 'singer_sdk', 'backoff', 'click'}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert printed.stdout == "[]\n"


def test_serving_the_sandbox_loads_nothing_of_the_client():
    script = (
        "import sys\n"
        "from marketo_sandbox.server.server import SandboxServer\n"
        "with SandboxServer(): pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'marketo_opps', 'tap_marketo_opps', 'target_marketo_opps', 'requests', 'singer_sdk'}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert printed.stdout == "[]\n"


def lines_of(package):
    return sum(
        len(path.read_text().splitlines())
        for name, path in modules().items()
        if is_within(name, package)
    )


def test_the_biggest_package_holds_at_most_a_third_of_the_code():
    lines = {package: lines_of(package) for package in PACKAGES}
    assert max(lines.values()) <= sum(lines.values()) / 3, lines


LONGEST_FILE = 300


@pytest.mark.parametrize("module", modules())
def test_a_long_file_gives_its_reason_at_its_top(module):
    text = modules()[module].read_text()
    if len(text.splitlines()) > LONGEST_FILE:
        assert "over 300 lines" in (ast.get_docstring(ast.parse(text)) or "")


def repository_files():
    """Return the files that git tracks; without git, all files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


NOT_OURS = re.compile(
    # Written so that this file does not hold what it looks for.
    r"(?<![\w.>:/])/(?:home|root|work|Users|tmp)/\w"
    r"|--(extra-)?index[-]url|--find[-]links|pypi\.[a-z]|[/]simple[/](\s|$)"
)


def test_the_repository_names_no_local_path_or_package_index():
    found = []
    for path in repository_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in NOT_OURS.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    "pieces",
    [("/ho", "me/me/x"), ("(/Us", "ers/me"), ("--index", "-url x"), ("https://py", "pi.org/x")],
)
def test_a_local_path_or_package_index_is_recognized(pieces):
    assert NOT_OURS.search("".join(pieces))


def test_other_words_are_allowed():
    assert not NOT_OURS.search("the work of a shared token: https://123-ABC-456.mktorest.com/rest")


# Each is used for the reason that stands beside its use.
PRIVATE_IN_THE_SDK = {
    "singer_sdk.helpers._batch.StorageTarget",
    "MarketoPlugin._setup_signal_handlers",
    "MarketoStream._sync_records",
}


def sdk_classes_of_ours():
    """Yield every class of the plugins that derives from a class of the SDK."""
    for module in modules():
        if room_of(module) in {"marketo_opps", "marketo_sandbox"} or "sandbox" in module:
            continue
        if module.endswith("__main__"):
            continue
        for each in vars(importlib.import_module(module)).values():
            if isinstance(each, type) and each.__module__ == module:
                yield each


def overridden_private_names(ours):
    inherited = {
        name
        for base in ours.__mro__[1:]
        if base.__module__.startswith("singer_sdk")
        for name in vars(base)
    }
    return {
        f"{ours.__name__}.{name}"
        for name in vars(ours)
        if re.fullmatch(r"_[a-z]\w*", name) and name in inherited and not name.startswith("_abc")
    }


def test_private_names_of_the_sdk_are_the_listed_ones():
    imported = {
        name
        for module in modules()
        for name in imported_names(module)
        if is_within(name, "singer_sdk") and any(part[:1] == "_" for part in name.split("."))
    }
    overridden = set().union(*map(overridden_private_names, sdk_classes_of_ours()))
    assert imported | overridden == PRIVATE_IN_THE_SDK
