"""The commands of docs/reconcile.md: from PostgreSQL through the tap and back to PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from marketo_opps.wire import encode_record
from tests.manual.pages import blocks, page
from tests.pipeline.compare import KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

PAGE = page("reconcile.md")
EXPORT, RUN, HEAD = blocks("sh", PAGE)
LIVING, DELETE = blocks("sql", PAGE)
SHOWN, CRON = blocks("text", PAGE)
SCHEMA = "marketo"
MARK = "_sdc_deleted_at"


@pytest.fixture
def loaded(pair, third_party, database):
    """Return a pair with target-postgres as its target, after a full load."""
    pair.target_program = third_party("target-postgres")
    pair.target = {**database.settings, "default_target_schema": SCHEMA}
    pair.environment = {"PGTZ": "UTC"}
    pair.run_well()
    return pair


@pytest.fixture
def reconcile(loaded, database, tmp_path):
    """Return a function that runs the page's commands without Meltano.

    The function returns the last lines that the tap logs.
    """
    where = {name: str(database.settings[name]) for name in ("host", "port", "user", "database")}
    environment = {
        **os.environ,
        "PATH": f"{database.bin}:{os.environ['PATH']}",
        "WAREHOUSE": "host={host} port={port} user={user} dbname={database}".format(**where),
    }

    def run():
        script = tmp_path / "reconcile.sh"
        script.write_text(HEAD + EXPORT)
        assert f"{script.name} " in CRON
        subprocess.run(["bash", script], cwd="/", env=environment, check=True)
        paths = {
            "reconcile_opportunities_path": str(tmp_path / "opportunities.csv"),
            "reconcile_roles_path": str(tmp_path / "roles.csv"),
        }
        assert all(f"TAP_MARKETO_OPPS_{name.upper()}=" in RUN for name in paths)
        before = loaded.tap
        loaded.tap = {**before, "find_by": "reconcile", **paths}
        running = loaded.run_well()
        loaded.tap = before
        return [line for line in running.tap.stderr.splitlines() if " alike, " in line][-2:]

    return run


def _delete(source, ids):
    settings = ConnectionSettings.from_config(source.credentials)
    client = MarketoClient(settings, pacing_window_seconds=0.001)
    keys = [encode_record({KEY: each}) for each in ids]
    client.delete(MarketoObject.OPPORTUNITIES, keys, delete_by="dedupeFields")
    client.close()


def _stored(database, stream="opportunities"):
    rows = database.rows(f"select * from {SCHEMA}.{stream}")
    return {row["marketoGUID"]: row for row in rows}


def _own(row):
    """Return a row without the columns that the loader adds."""
    return {name: value for name, value in row.items() if not name.startswith("_sdc_")}


def _form(line):
    """Return a closing line without its numbers, up to its part about the activity log."""
    return re.sub(r"[0-9][0-9.,]*", "N", line.rpartition(" known gone; ")[0])


def test_rows_of_deleted_records_keep_values_and_get_the_mark(source, database, reconcile):
    before = _stored(database)
    ids = source.instance.opportunity_ids()
    source.advance(60)
    source.instance.change(ids[:10], {"stage": "Closed Won"})
    _delete(source, ids[10:14])

    opportunities, roles = reconcile()

    after = _stored(database)
    gone = {guid for guid, row in after.items() if row[MARK]}
    assert {after[guid][KEY] for guid in gone} == {*ids[10:14]}
    for guid, row in after.items():
        if row[KEY] not in ids[:10]:
            assert _own(row) == _own(before[guid])
        else:
            assert row["stage"] == "Closed Won"
    assert all(after[guid]["name"] and after[guid]["stage"] for guid in gone)
    assert f"{len(ids) - 14} alike, 10 changed, 4 gone, 0 known gone" in opportunities
    assert " alike, 0 changed, " in roles
    assert _form(opportunities.partition("| opportunities: ")[2]) == _form(
        SHOWN.partition("opportunities: ")[2]
    )
    assert len(database.rows(LIVING.replace("from ", f"from {SCHEMA}.").rstrip(";\n"))) == 696


def test_the_next_reconcile_knows_marked_rows_until_deleted(source, database, reconcile):
    ids = source.instance.opportunity_ids()
    _delete(source, ids[:5])
    reconcile()
    opportunities, _ = reconcile()
    assert "695 alike, 0 changed, 0 gone, 5 known gone" in opportunities
    database.execute(f"set search_path to {SCHEMA};\n{DELETE}")
    assert len(_stored(database)) == 695
    opportunities, _ = reconcile()
    assert "695 alike, 0 changed, 0 gone, 0 known gone" in opportunities


def test_a_record_that_exists_again_loses_its_mark(database, reconcile):
    database.execute(
        f"update {SCHEMA}.opportunities set {MARK} = now()"
        f' where "marketoGUID" in (select "marketoGUID" from {SCHEMA}.opportunities limit 3)'
    )
    opportunities, _ = reconcile()
    assert "697 alike, 3 changed, 0 gone, 0 known gone" in opportunities
    assert not [row for row in _stored(database).values() if row[MARK]]


@pytest.mark.parametrize("hard_delete", [False, True])
def test_hard_delete_of_target_postgres_ignores_the_mark(
    source, database, loaded, reconcile, hard_delete
):
    assert "`hard_delete` concerns tables that are replaced" in PAGE
    loaded.target["hard_delete"] = hard_delete
    _delete(source, source.instance.opportunity_ids()[:5])
    reconcile()
    assert len(_stored(database)) == 700
    assert len([row for row in _stored(database).values() if row[MARK]]) == 5


def test_without_record_metadata_the_mark_is_dropped(source, database, loaded, reconcile):
    assert "Do not set its `add_record_metadata` to `false`" in PAGE
    loaded.target |= {"add_record_metadata": False, "activate_version": False}
    _delete(source, source.instance.opportunity_ids()[:5])
    opportunities, _ = reconcile()
    assert "5 gone" in opportunities
    assert not [row for row in _stored(database).values() if row.get(MARK)]
