"""Tests of `--test`: what it checks, for which streams, and how long it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

LIMITS = {"enforced": False}


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=3, leads=3, limits=LIMITS)


@pytest.fixture
def test(tmp_path):
    """Return a function that runs the tap with `--test` and other options in the given order."""

    def run(config, *options, catalog=None):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        names = [option.format(catalog=tmp_path / "catalog.json") for option in options]
        done = subprocess.run(
            [sys.executable, "-m", "tap_marketo_opps", f"--config={tmp_path}/config.json", *names],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.mark.parametrize(
    "options", [["--test", "--catalog={catalog}"], ["--catalog={catalog}", "--test"]]
)
def test_the_catalog_is_heeded_whatever_comes_first(test, sandbox, catalog_of, options):
    catalog = catalog_of(sandbox, "opportunity_activities")
    config = {**sandbox.credentials, "start_date": "2026-01-01"}
    done = test(config, *options, catalog=catalog)
    names = [line[8:].partition(":")[0] for line in done.stdout.splitlines()]
    assert names[:3] == ["credentials", "reading the activity log", "activity types that are read"]
    assert "reading opportunities" not in done.stdout
    assert done.returncode == 0


def test_a_test_of_records_reads_each_selected_stream_and_no_other(test, sandbox):
    ids = sandbox.instance.opportunity_ids()
    done = test({**sandbox.credentials, "filter_values": ids}, "--test=records")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    records = {each["stream"] for each in messages if each["type"] == "RECORD"}
    assert sorted(records) == ["opportunities", "opportunity_fields", "opportunity_roles"]
    assert "opportunity_activities" not in done.stdout


def test_a_test_of_schemas_writes_the_selected_and_no_record(test, sandbox):
    done = test({**sandbox.credentials, "filter_values": ["x"]}, "--test=schema")
    assert done.returncode == 0
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["type"] for each in messages] == ["SCHEMA"] * 3


def test_a_test_that_there_is_not_is_refused(test, sandbox):
    done = test(sandbox.credentials, "--test=everything")
    assert done.returncode == 1
    assert "--test: must be one of all, records, schema (got 'everything')." in done.stderr
    assert not done.stdout
    assert not sandbox.journal()


def test_the_help_says_what_the_test_is(test):
    assert "Check credentials, permissions" in " ".join(test({}, "--help").stdout.split())


@pytest.mark.parametrize("crm_sync", ["read-only"])
@pytest.mark.parametrize(
    ("more", "begins"),
    [({"filter_values": ["x"]}, "ok "), ({"start_date": "2026-01-01"}, "FAILED")],
)
def test_roles_fail_where_a_run_would_need_them_and_only_there(
    test, marketo_sandbox_factory, crm_sync, more, begins
):
    sandbox = marketo_sandbox_factory(crm_sync=crm_sync, limits=LIMITS)
    done = test({**sandbox.credentials, **more}, "--test")
    (roles,) = [line for line in done.stdout.splitlines() if "reading roles" in line]
    assert roles.startswith(begins)
    assert ("this instance has none" in roles) == (begins == "ok ")


def test_roles_that_a_catalog_selects_are_needed(test, marketo_sandbox_factory, catalog_of):
    usual = marketo_sandbox_factory(limits=LIMITS)
    catalog = catalog_of(usual, "opportunity_roles")
    sandbox = marketo_sandbox_factory(crm_sync="read-only", limits=LIMITS)
    config = {**sandbox.credentials, "filter_values": ["x"]}
    done = test(config, "--test", "--catalog={catalog}", catalog=catalog)
    assert "FAILED  reading roles" in done.stdout
    assert done.returncode == 1


def test_a_dead_endpoint_is_given_up_soon(test):
    config = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    began = time.monotonic()
    done = test({**config, "max_retry_seconds": 300}, "--test")
    assert time.monotonic() - began < 30
    assert done.stdout.startswith("FAILED  credentials")
