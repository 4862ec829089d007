"""README, CONTRIBUTING, the manual and meltano.yml are correct."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
from meltano.core.plugin.singer.tap import SingerTap

from marketo_opps import errors
from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps
from tests.manual.pages import blocks, page, section

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
RECIPE = section("From one Marketo instance to another", page("recipes.md"))
# What shows commands that are run here as they stand.
SHOWN = README + RECIPE + page("tap.md") + page("target.md") + page("compatibility.md")
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROSE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PROSE += sorted((ROOT / "docs").glob("*.md"))
PROSE += sorted((ROOT / "examples").rglob("*.md"))

PLUGINS = {"tap-marketo-opps": TapMarketoOpps, "target-marketo-opps": TargetMarketoOpps}
MELTANO_EXTRAS = {each.name for each in SingerTap.EXTRA_SETTINGS}
README_ENDPOINT = "https://123-ABC-456.mktorest.com/rest"
OTHER_ENDPOINT = "https://456-DEF-789.mktorest.com/rest"
# Where a reader is sent, or what stands for the reader's own instance.
HOSTS = {"hub.meltano.com", "meltano.com", "sdk.meltano.com", "123-ABC-456.mktorest.com"}
HOSTS |= {"456-DEF-789.mktorest.com"}
CREDENTIALS = {"client_id": "an-id", "client_secret": "a-secret"}
DEFINITIONS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "plugins").glob("*.yml"))]
# What has generated blocks, and where they come from.
GENERATED_PAGES = ("docs/architecture.md", "docs/benchmarks.md", "docs/errors.md")
GENERATED = ("README.md", *GENERATED_PAGES, "meltano.yml", *DEFINITIONS)
INCLUDES = ("-I", "docs", "-I", "benchmarks")
# What README's examples use besides this project's own programs.
OTHER_COMMANDS = {
    "cat",
    "cd",
    "mv",
    "tail",
    "target-jsonl",
    "tap-of-your-crm",
    "meltano",
    "pipx",
    "uv",
}


def commands() -> list[list[str]]:
    """Return every command of the shell blocks, as words, without heredocs."""
    found = []
    for block in blocks("sh", SHOWN):
        text = re.sub(r"<<'(\w+)'\n.*?^\1$", "", block, flags=re.MULTILINE | re.DOTALL)
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            found += [list(part) for part in _pipeline(words)]
    return found


def _pipeline(words: list[str]) -> t.Iterator[list[str]]:
    while words:
        end = words.index("|") if "|" in words else len(words)
        yield words[:end]
        words = words[end + 1 :]


def program(command: list[str]) -> str:
    return next(word for word in command if "=" not in word)


def own_properties(plugin: type[TapMarketoOpps | TargetMarketoOpps]) -> dict[str, t.Any]:
    """Return the schemas of a plugin's settings without those that the SDK adds."""
    added: dict[str, t.Any] = {"properties": {}}
    plugin.append_builtin_config(added)
    properties = plugin.config_jsonschema["properties"]
    return {name: properties[name] for name in properties if name not in added["properties"]}


def test_generated_parts_are_current():
    check = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", *INCLUDES, *GENERATED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, f"run `make docs`:\n{check.stdout}{check.stderr}"


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_lists_every_setting(name):
    for setting, schema in own_properties(PLUGINS[name]).items():
        row = re.search(rf"^\| `{setting}` \|.*\|$", README, re.MULTILINE)
        assert row, f"{setting} has no row"
        assert schema["description"].replace("|", "\\|") in row.group()


def test_the_errors_page_lists_every_code_of_the_client():
    text = (ROOT / "docs" / "errors.md").read_text()
    rows = "\n".join(re.findall(r"^\| \d.*\|$", text, re.MULTILINE))
    told = set(re.findall(r"\b\d{3,4}\b", rows))
    known = {code for error in _all_errors(errors.ResponseError) for code in error.codes}

    assert known
    assert known <= told


def _all_errors(error: type[errors.ResponseError]) -> t.Iterator[type[errors.ResponseError]]:
    yield error
    for each in error.__subclasses__():
        yield from _all_errors(each)


def test_readme_names_only_programs_that_exist():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    known = OTHER_COMMANDS | scripts.keys() | {"make", "python3"}

    assert {program(command) for command in commands()} <= known


def test_readme_and_contributing_name_only_make_targets_that_exist():
    told = {command[1] for command in commands() if program(command) == "make"}
    for path in PROSE:
        told |= set(re.findall(r"`make ([a-z-]+)", path.read_text()))

    assert {"demo", "test"} <= told
    assert told <= MAKE_TARGETS


def test_readme_uses_only_options_that_exist():
    used: dict[tuple[str, ...], set[str]] = {}
    for command in commands():
        if (BIN / program(command)).exists() and program(command) != "meltano":
            words = command[command.index(program(command)) :]
            called = tuple(words[: 2 if words[0] == "marketo-sandbox" else 1])
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            used.setdefault(called, set()).update(options)

    assert used
    for called, options in used.items():
        told = subprocess.run(
            [BIN / called[0], *called[1:], "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert not [option for option in options if not re.search(rf"{option}\b", told)]


def test_readme_sets_only_settings_that_exist():
    words = {(plugin, setting) for plugin in PLUGINS for setting in _set_in_readme(plugin)}

    assert words
    for plugin, setting in words:
        # Those with an underscore in front are Meltano's own.
        known = MELTANO_EXTRAS if setting.startswith("_") else own_properties(PLUGINS[plugin])
        assert setting in known, f"{plugin} has no {setting}"


def _set_in_readme(plugin: str) -> set[str]:
    prefix = plugin.upper().replace("-", "_")
    variables = re.findall(rf"\b{prefix}_([A-Z0-9_]*[A-Z0-9])\b", SHOWN)
    by_meltano = re.findall(rf"meltano config set {plugin} (\w+)", README)
    return {name.lower() for name in variables} | set(by_meltano)


def test_readme_installs_only_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]

    assert set(re.findall(r"'\.\[(\w+)\]'", README)) == extras.keys()


def configurations() -> dict[str, dict[str, t.Any]]:
    """Return README's configurations: the tap's from a heredoc, the target's from JSON."""
    (tap,) = re.findall(r"cat > tap\.json <<'JSON'\n(.*?)\nJSON\n", README, re.DOTALL)
    (target,) = blocks("json", README)
    return {"tap-marketo-opps": json.loads(tap), "target-marketo-opps": json.loads(target)}


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_configurations_are_valid(name):
    configuration = configurations()[name]

    own = own_properties(PLUGINS[name])
    required = PLUGINS[name].config_jsonschema["required"]
    jsonschema.validate(configuration, {"properties": own, "required": required})
    assert configuration.keys() <= own.keys()


@pytest.fixture
def sandbox() -> t.Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(opportunities=40, leads=20, **CREDENTIALS)) as server:
        server.instance.add_lead_records([{"id": 77, "email": "ada@customer.example"}])
        yield server


@pytest.fixture
def other(sandbox: SandboxServer) -> t.Iterator[SandboxServer]:
    """Yield a second instance with half of the first one's people under other IDs."""
    known = {each["email"] for each in sandbox.instance.leads()[::2] if "email" in each}
    with SandboxServer(SandboxOptions(**CREDENTIALS)) as server:
        server.instance.add_lead_records({"email": each} for each in sorted(known))
        yield server


def test_readme_commands_do_what_they_say(sandbox, other, tmp_path):
    """Run README's shell blocks with the endpoint and credentials of sandboxes."""
    shown = blocks("sh", README + RECIPE)
    script = "set -euo pipefail\n" + "".join(filter(_speaks_to_marketo, shown))
    # A year that the sandbox's log still holds.
    script = script.replace("2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z")
    # A sweep of real size takes the better part of an hour.
    script = script.replace('"lead_id_to": 2000000', '"lead_id_to": 300')
    (tmp_path / "target.json").write_text(json.dumps(configurations()["target-marketo-opps"]))
    (tmp_path / "crm.json").write_text("{}")
    for path in (tmp_path / "target.json", tmp_path / "script.sh"):
        text = path.read_text() if path.exists() else script
        path.write_text(_for(sandbox, other, text))
    _stand_ins(tmp_path)
    catalog, state = tmp_path / "catalog.json", tmp_path / "state.json"

    ended = subprocess.run(
        ["bash", "script.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(catalog.read_text())["streams"]) == 6
    assert "opportunities" in json.loads(state.read_text())["bookmarks"]
    assert "DEAL-1" in sandbox.instance.opportunity_ids()
    (role,) = (each for each in sandbox.instance.roles() if each["leadId"] == 77)
    assert (role["externalOpportunityId"], role["role"]) == ("DEAL-1", "Decision Maker")
    moved, rejects = other.instance.roles(), (tmp_path / "no-counterpart.jsonl").read_text()
    assert len(moved) > 10
    assert len(rejects.splitlines()) > 10
    # However old, each role has come with its deal.
    assert len(moved) + len(rejects.splitlines()) == len(sandbox.instance.roles())


def _speaks_to_marketo(block: str) -> bool:
    return "-marketo-opps --config" in block and "serve" not in block


def _for(sandbox: t.Any, other: t.Any, text: str) -> str:
    for shown, server in ((README_ENDPOINT, sandbox), (OTHER_ENDPOINT, other)):
        text = text.replace(shown, server.endpoint)
    for name, value in CREDENTIALS.items():
        text = text.replace(f'"{name}": "..."', f'"{name}": "{value}"')
    return text


def _stand_ins(directory: Path) -> None:
    """Write stand-ins for the third-party programs in README's examples."""
    names = ("external_opportunity_id", "name", "role", "email")
    schema = {"type": "object", "properties": {name: {} for name in names}}
    deal = {"external_opportunity_id": "DEAL-1"}
    contact = {**deal, "role": "Decision Maker", "email": "ada@customer.example"}
    messages = [
        message
        for stream, record in (("deals", {**deal, "name": "A deal"}), ("deal_contacts", contact))
        for message in (
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []},
            {"type": "RECORD", "stream": stream, "record": record},
        )
    ]
    (directory / "deals.singer").write_text("".join(json.dumps(each) + "\n" for each in messages))
    programs = {
        "tap-of-your-crm": "cat deals.singer",
        "target-jsonl": r"""sed -n 's/^{"type": *"STATE", *"value": *\(.*\)}$/\1/p'""",
    }
    for name, command in programs.items():
        (directory / name).write_text(f"#!/bin/sh\n{command}\n")
        (directory / name).chmod(0o755)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist_or_to_known_hosts(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            file = path.parent / name if name else path
            assert file.exists(), link
            assert not anchor or anchor in _anchors(file), link
    for url in re.findall(r"https?://[^\s)`\"'>]+", path.read_text()):
        host = urlsplit(url).hostname or ""
        assert host.casefold() in {each.casefold() for each in HOSTS} or host == "127.0.0.1", url


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.casefold()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_files_named_in_prose_exist(path):
    names = re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|yml|toml|txt))`", path.read_text())
    known = {each.name for each in ROOT.rglob("*.*") if ".venv" not in each.parts}

    for name in names:
        assert (ROOT / name).exists() or ("/" not in name and name in known), name


def test_contributing_leads_to_the_page_of_architecture():
    assert "](docs/architecture.md)" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_each_page_of_the_manual_is_linked_from_readme(path):
    is_of_developers = f"`docs/{path.name}`" in (ROOT / "CONTRIBUTING.md").read_text()
    assert is_of_developers or f"](docs/{path.name})" in README


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_prose_mentions_no_ticket(path):
    assert not re.findall(r"(?i)\bissues? ?#?\d+|(?<!\w)#\d+", path.read_text())
