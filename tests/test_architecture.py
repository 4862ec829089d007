"""Which package may import which, and that the repository stands alone."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("marketo_opps", "tap_marketo_opps", "target_marketo_opps")
SANDBOX = "marketo_sandbox"

PURE = {
    "errors": {"models"},
    "models": set(),
    "redaction": set(),
    "pacing": {"errors"},
    "wire": set(),
    "workers": set(),
    "retry": {"errors"},
    "quota": {"errors"},
    "fields": {"models"},
    "envelope": {"errors", "models", "wire", "transport"},
    "configuration": {"errors"},
    "settings": {"errors"},
    "transport": {"errors", "redaction", "settings"},
    "auth": {"errors", "redaction", "transport", "wire"},
    "standard_streams": set(),
    "process": {"errors", "redaction", "standard_streams"},
}
"""Each module of the client, and those that it may import; the others may import all of these."""


def modules_in(package):
    return sorted((ROOT / package.replace(".", "/")).rglob("*.py"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path):
    """Full names of all modules and members that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


def in_sandbox(path):
    return is_within(module_name(path), SANDBOX)


def offences(paths, forbidden):
    return [
        f"{module_name(path)} imports {name}"
        for path in paths
        for name in sorted(imported_by(path))
        if forbidden(name)
    ]


CLIENT = [path for path in modules_in("marketo_opps") if not in_sandbox(path)]


def test_there_is_something_to_look_at():
    assert len(CLIENT) > 15
    assert all(modules_in(package) for package in (*PACKAGES, SANDBOX))
    assert is_within("marketo_opps.errors.MarketoError", "marketo_opps.errors")
    assert "marketo_opps.models.Reason" in imported_by(ROOT / "marketo_opps/errors.py")


def test_the_client_knows_neither_singer_nor_the_plugins_nor_the_sandbox():
    strangers = ("singer_sdk", "tap_marketo_opps", "target_marketo_opps", SANDBOX)
    assert not offences(CLIENT, lambda name: any(is_within(name, each) for each in strangers))


def test_the_sandbox_shares_no_code_with_the_client():
    def forbidden(name):
        ours = any(is_within(name, package) for package in PACKAGES)
        return ours and not is_within(name, SANDBOX)

    assert not offences(modules_in(SANDBOX), forbidden)


@pytest.mark.parametrize(
    ("plugin", "other"),
    [("tap_marketo_opps", "target_marketo_opps"), ("target_marketo_opps", "tap_marketo_opps")],
)
def test_the_plugins_know_neither_each_other_nor_the_sandbox(plugin, other):
    assert not offences(
        modules_in(plugin), lambda name: is_within(name, other) or is_within(name, SANDBOX)
    )


@pytest.mark.parametrize("plugin", ["tap_marketo_opps", "target_marketo_opps"])
def test_the_plugins_use_only_public_names_of_the_client(plugin):
    def forbidden(name):
        return is_within(name, "marketo_opps") and any(
            part.startswith("_") for part in name.split(".")
        )

    assert not offences(modules_in(plugin), forbidden)


@pytest.mark.parametrize("module", PURE)
def test_the_arrows_within_the_client_point_one_way(module):
    allowed = {f"marketo_opps.{name}" for name in PURE[module]}
    # `from marketo_opps import redaction` names a module, too.
    assert not offences(
        [ROOT / "marketo_opps" / f"{module}.py"],
        lambda name: (
            is_within(name, "marketo_opps") and not any(is_within(name, each) for each in allowed)
        ),
    )


def test_every_module_of_the_client_has_its_place_in_the_order():
    on_top = {"__init__", "calls", "client"}
    assert {path.stem for path in CLIENT} == on_top | set(PURE)


def repository_files():
    """What git tracks; a copy without git is searched as a whole."""
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


def test_the_repository_names_no_path_of_a_machine_and_no_index_of_packages():
    found = []
    for path in repository_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in NOT_OURS.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    "pieces",
    [("/ho", "me/me/x"), ("(/Us", "ers/me"), ("--index", "-url x"), ("https://py", "pi.org/x")],
)
def test_what_a_repository_must_not_name_is_found(pieces):
    assert NOT_OURS.search("".join(pieces))


def test_other_words_are_free():
    assert not NOT_OURS.search("the work of a shared token: https://123-ABC-456.mktorest.com/rest")
