"""The pytest plugin, in a separate pytest run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = 'pytest_plugins = ["marketo_sandbox.pytest_plugin"]\n'
ALONE = ("-q", "-p", "no:cacheprovider")


def run_pytest(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", *ALONE, *arguments, "--rootdir", folder, folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
    )


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a test file in a separate pytest, as in another project."""

    def run_tests(text):
        (tmp_path / "conftest.py").write_text(CONFTEST)
        (tmp_path / "test_it.py").write_text(text)
        done = run_pytest(tmp_path)
        return done.returncode, done.stdout

    return run_tests


def test_the_fixtures_start_separate_instances(run):
    code, out = run(
        """
import requests

def test_empty(marketo_sandbox):
    assert marketo_sandbox.instance.counts()["opportunities"] == 0
    marketo_sandbox.seed(5)

def test_fresh(marketo_sandbox):
    assert marketo_sandbox.instance.counts()["opportunities"] == 0

def test_two(marketo_sandbox_factory):
    one = marketo_sandbox_factory(opportunities=3, limits={"daily_calls": 5})
    two = marketo_sandbox_factory()
    assert one.endpoint != two.endpoint
    assert one.instance.counts()["opportunities"] == 3
    assert one.instance.options.limits.daily_calls == 5
"""
    )
    assert code == 0, out


def test_a_call_to_an_unknown_path_fails_its_test(run):
    code, out = run(
        """
import requests

def test_wrong(marketo_sandbox):
    requests.get(marketo_sandbox.endpoint + "/rest/v1/companies.json")

def test_right(marketo_sandbox):
    pass
"""
    )
    assert code == 1
    assert "ERROR" in out
    assert "ERROR test_it.py::test_wrong - Failed: in the sandbox: unknown route" in out
    assert "2 passed, 1 error" in out


def test_an_exception_in_the_sandbox_fails_the_test(run):
    code, out = run(
        """
import requests

def test_broken(marketo_sandbox, monkeypatch):
    monkeypatch.setattr(marketo_sandbox.instance, "identity", lambda _: 1 / 0)
    url = marketo_sandbox.endpoint + "/identity/oauth/token?grant_type=client_credentials"
    assert requests.get(url).status_code == 500
"""
    )
    assert code == 1
    assert "ZeroDivisionError" in out


def test_an_acknowledged_problem_does_not_fail_the_test(run):
    code, out = run(
        """
import requests

def test_noted(marketo_sandbox):
    requests.get(marketo_sandbox.endpoint + "/rest/v1/companies.json")
    assert len(marketo_sandbox.acknowledge_problems()) == 1
"""
    )
    assert code == 0, out


def test_the_guides_example_runs_as_printed(tmp_path):
    guide = Path(__file__).parents[2].joinpath("docs", "sandbox.md").read_text("utf-8")
    section = guide.partition("## pytest plugin")[2]
    conftest, example = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[:2]
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_it.py").write_text(example)
    done = run_pytest(tmp_path)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_the_old_plugin_name_reports_the_new_name(tmp_path):
    done = run_pytest(tmp_path, "-p", "marketo_opps.sandbox.pytest_plugin")
    assert done.returncode != 0
    assert "The sandbox's pytest plugin is now 'marketo_sandbox.pytest_plugin'" in done.stderr
