"""Meltano's other commands with the tap, and a third-party loader under Meltano."""

from __future__ import annotations

import json

import pytest
import yaml

from marketo_sandbox.instance.values import format_datetime
from tests.pipeline.compare import KEY, keys_with_a_role

pytestmark = pytest.mark.slow

STATE_ID = "dev:tap-marketo-opps-to-target-marketo-opps"


@pytest.fixture
def into_postgres(project, third_party, database):
    """Return the project with target-postgres, which stores dates in UTC as README says."""
    database.execute("alter role current_user set timezone to 'America/Chicago'")
    path = project.directory / "meltano.yml"
    content = yaml.safe_load(path.read_text())
    content["plugins"]["loaders"].append(
        {
            "name": "target-postgres",
            "namespace": "target_postgres",
            "executable": str(third_party("target-postgres")),
            "config": {**database.settings, "default_target_schema": "marketo"},
            "settings": [
                {"name": name, "kind": "integer" if name == "port" else "string"}
                for name in (*database.settings, "default_target_schema")
            ],
            "env": {"PGTZ": "UTC"},
        }
    )
    path.write_text(yaml.safe_dump(content))
    project.loader = "target-postgres"
    # At debug level target-postgres takes half a minute instead of two seconds.
    project.environment["MELTANO_CLI_LOG_LEVEL"] = "info"
    return project


def asked_for(source) -> set[str]:
    """Return the fields that the last queries of opportunities requested."""
    (fields,) = {call["parameters"]["fields"] for call in pages(source)}
    return set(fields.split(","))


def pages(source, since=0) -> list[dict]:
    return source.journal(since, operation="query opportunity")


def selection(listed) -> dict[str, str]:
    """Return the selection of each property in the output of `meltano select --list`."""
    lines = [line.strip() for line in listed.partition("Selected properties:")[2].splitlines()]
    words = [line.strip("[").split("]") for line in lines if line]
    return {name.strip(): how.strip() for how, name in words}


def test_meltano_invoke_passes_the_catalog(project):
    catalog = json.loads(project.command("invoke", "tap-marketo-opps", "--discover"))

    assert {stream["tap_stream_id"] for stream in catalog["streams"]} == {
        "opportunities",
        "opportunity_roles",
        "opportunity_fields",
        "opportunity_activities",
        "opportunity_changes",
        "opportunity_role_changes",
    }


def test_meltano_config_test_detects_wrong_credentials(project):
    assert "Plugin configuration is valid" in project.command("config", "test", "tap-marketo-opps")

    project.set("TAP", client_secret="wrong")
    with pytest.raises(AssertionError, match="refused the credentials"):
        project.command("config", "test", "tap-marketo-opps")


def test_a_field_deselected_by_select_is_not_queried(project, source):
    project.command("select", "tap-marketo-opps", "--exclude", "opportunities", "amount")

    told = selection(project.command("select", "tap-marketo-opps", "--list", "--all"))

    assert told["opportunities.amount"] == "excluded"
    assert told["opportunities.stage"] == "selected"
    assert told["opportunities.marketoGUID"] == told["opportunities.updatedAt"] == "automatic"
    project.run()
    selected = {name for name, how in told.items() if how in {"selected", "automatic"}}
    fields = {name.removeprefix("opportunities.") for name in selected if "opportunities." in name}
    # The deletion mark is in every SCHEMA message, but is not a field of Marketo's.
    assert asked_for(source) == fields - {"_sdc_deleted_at"}


def test_meltano_stores_the_state_in_its_database(project, source):
    project.run()

    assert STATE_ID in project.command("state", "list").split()
    state = json.loads(project.command("state", "get", STATE_ID))["singer_state"]
    latest = max(each["updatedAt"] for each in source.instance.opportunities())
    assert state["bookmarks"]["opportunities"]["replication_key_value"] == format_datetime(latest)
    assert state["bookmarks"]["opportunities"]["resume"] is None


@pytest.mark.xdist_group("postgres")
def test_the_run_after_a_sweep_reads_hardly_anything(into_postgres, source, database):
    into_postgres.set("TAP", find_by="lead_ids", lead_id_from=1, lead_id_to=120)
    into_postgres.run()
    swept = keys_with_a_role(source)
    rows = database.rows("select * from marketo.opportunities")
    assert {row[KEY]: row["updatedAt"] + "Z" for row in rows} == {
        each[KEY]: format_datetime(each["updatedAt"])
        for each in source.instance.opportunities()
        if each[KEY] in swept
    }
    source.advance(86_400)
    before = len(source.journal())

    into_postgres.set("TAP", find_by="activities")
    into_postgres.run()

    again = database.rows("select * from marketo.opportunities")
    assert sorted(again, key=str) == sorted(rows, key=str)
    assert not pages(source, before)
    # Access token, describe of two objects, activity types, paging token, and the end of the log;
    # and a page of fields, which are read completely each time.
    assert len(source.journal(before)) <= 10
