"""The wheel in an environment with its required packages only: no extra, no tools."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.packaging.environments import PYTEST, ROOT, keep_packages, pins, project
from tests.pipeline import processes
from tests.pipeline.compare import differences, held

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]

EXTRA = ("httptools", "starlette", "uvicorn")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
PLUGINS = ("tap-marketo-opps", "target-marketo-opps")
SENTENCE = (
    "the sandbox needs httptools, starlette, uvicorn: install this package with its extra "
    "'sandbox', as in python3 -m pip install '.[sandbox]' from a clone"
)


def test_the_environment_has_only_required_packages(bare):
    absent = (*EXTRA, "pytest", "hypothesis", "mypy", "tests")
    script = f"from importlib.util import find_spec; print(*filter(find_spec, {absent}))"

    done = bare.run("python", "-c", script)

    assert (done.returncode, done.stdout.split()) == (0, [])


def test_the_code_comes_from_the_wheel(bare):
    script = "import marketo_opps, tap_marketo_opps.tap as a, target_marketo_opps.target as b; "
    script += "print(marketo_opps.__file__, a.__file__, b.__file__)"

    paths = [Path(each) for each in bare.run("python", "-c", script).stdout.split()]

    assert len(paths) == 3
    assert {path.is_relative_to(bare.site_packages) for path in paths} == {True}


def test_every_console_script_is_installed(bare):
    assert {name for name in SCRIPTS if (bare.bin / name).exists()} == SCRIPTS.keys()


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--version", f"v{metadata.version('marketo-opps')}"),
        ("--about", "daily_call_limit"),
        ("--help", "--config"),
    ],
)
def test_version_about_and_help_of_a_plugin_work(bare, plugin, option, told):
    done = bare.run(plugin, option)

    assert (done.returncode, done.stderr) == (0, "")
    assert told in done.stdout


def test_the_tap_pipes_into_the_target(bare, marketo_sandbox_factory, monkeypatch, tmp_path):
    source = marketo_sandbox_factory(opportunities=400, leads=60, seed=3)
    destination = marketo_sandbox_factory(seed=4)
    ids = tmp_path / "ids.txt"
    ids.write_text("".join(f"{each}\n" for each in source.instance.opportunity_ids()))
    monkeypatch.setattr(processes, "BIN", bare.bin)
    tap = {**source.credentials, "filter_values_path": str(ids)}

    processes.Pair(tap, dict(destination.credentials), tmp_path).run_well()

    assert len(held(destination)) == 400
    assert differences(held(source), held(destination)) == []


def test_the_plugins_do_not_import_what_the_sandbox_needs():
    """Check it in the full environment, in which such an import would succeed."""
    assert all(importlib.import_module(name) for name in EXTRA)
    script = "import sys, tap_marketo_opps.tap, target_marketo_opps.target; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    loaded = set(done.stdout.split())
    assert "target_marketo_opps.target" in loaded
    assert not loaded & {*EXTRA, "marketo_sandbox"}


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_the_sandbox_reports_the_missing_packages(bare, command):
    done = bare.run("marketo-sandbox", command)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"marketo-sandbox: {SENTENCE}\n"


def test_help_of_the_sandbox_works_without_the_extra(bare):
    done = bare.run("marketo-sandbox", "serve", "--help")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_sandbox_fixture_reports_the_missing_packages(bare, tmp_path):
    tools = [pin for pin in pins("dev") if project(pin) in PYTEST]
    packages = keep_packages(Path(sys.executable), tools)
    plugin = 'pytest_plugins = ["marketo_sandbox.pytest_plugin"]\n'
    (tmp_path / "conftest.py").write_text(plugin)
    (tmp_path / "test_it.py").write_text(
        "def test_with(marketo_sandbox): ...\ndef test_without(): ...\n"
    )
    options = ("-p", "no:cacheprovider", "--rootdir", tmp_path)

    done = bare.run(
        "python", "-m", "pytest", *options, cwd=tmp_path, env={"PYTHONPATH": str(packages)}
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert SENTENCE in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "pytest_plugin.py" not in done.stdout
    assert "1 passed, 1 error" in done.stdout
