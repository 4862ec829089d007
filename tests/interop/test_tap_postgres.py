"""`tap-postgres` into the target: rows of a CRM table, compared with the instance."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.compare import by_key, held
from tests.pipeline.processes import Pair

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

DEALS = Path(__file__).with_name("deals.sql").read_text()
FIELDS = {
    "external_opportunity_id": "externalOpportunityId",
    "name": "name",
    "amount": "amount",
    "margin": "margin",
    "quantity": "quantity",
    "discount_percent": "discountPercent",
    "legacy_number": "legacyNumber",
    "close_date": "closeDate",
    "external_created_date": "externalCreatedDate",
    "last_touched_at": "lastTouchedAt",
    "is_won": "isWon",
    "notes": "notes",
}
MOMENTS = {"externalCreatedDate", "lastTouchedAt"}


def with_records(_directory) -> dict:
    return {}


def with_numbers_as_text(_directory) -> dict:
    return {"use_singer_decimal": True}


def with_batch_files(directory) -> dict:
    """Return settings for batch files: four files for 650 rows, which do not fill whole batches."""
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": directory.as_uri(), "prefix": "deals-"},
            "batch_size": 200,
        }
    }


@pytest.fixture
def crm(database):
    """Create the CRM table in a database whose time zone is not UTC, and return the database."""
    database.execute("alter role current_user set timezone to 'America/Chicago'")
    database.execute(DEALS)
    return database


@pytest.fixture
def from_postgres(crm, destination, third_party, tmp_path):
    """Return a pair with tap-postgres as its tap."""
    pair = Pair(
        {**crm.settings, "filter_schemas": ["crm"]},
        dict(destination.credentials),
        tmp_path,
        tap_program=third_party("tap-postgres"),
    )
    pair.tap_arguments = ("--catalog", by_updated_at(pair))
    return pair


def by_updated_at(pair) -> Path:
    """Return the path of a catalog that selects the table for replication by `updated_at`."""
    config, path = pair.directory / "discover.json", pair.directory / "catalog.json"
    config.write_text(json.dumps(pair.tap))
    command = [pair.tap_program, "--config", config, "--discover"]
    discovered = subprocess.run(command, check=True, capture_output=True)
    catalog = json.loads(discovered.stdout)
    chosen = {"replication-method": "INCREMENTAL", "replication-key": "updated_at"}
    (stream,) = catalog["streams"]
    for entry in stream["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"] |= {"selected": True, **chosen}
    stream |= {name.replace("-", "_"): value for name, value in chosen.items()}
    path.write_text(json.dumps(catalog))
    return path


def rows(crm) -> dict[str, dict]:
    """Return the rows of the table as opportunities, by external id."""
    found = crm.rows("select * from crm.deals")
    return by_key(
        {field: as_in_marketo(field, row[name]) for name, field in FIELDS.items()} for row in found
    )


def as_in_marketo(field, value):
    """Return a value as Marketo stores it: a date-time without offset in UTC, in whole seconds."""
    return value[:19] + "Z" if field in MOMENTS else value


def calls(sandbox, since=0) -> list[int]:
    """Return the number of records in each sync call."""
    return [call["asked"] for call in sandbox.journal(since, operation="sync opportunity")]


@pytest.mark.parametrize("way", [with_records, with_numbers_as_text, with_batch_files])
def test_every_value_arrives_in_full_batches(from_postgres, crm, destination, way, tmp_path):
    from_postgres.tap |= way(tmp_path)

    running = from_postgres.run_well()

    assert held(destination) == rows(crm)
    assert len(rows(crm)) == 650
    (warning,) = [line for line in running.target.stderr.splitlines() if "| WARNING" in line]
    assert "no field for 'owner' (near: 'crmOwner'); not written" in warning
    assert sorted(calls(destination)) == [50, 300, 300]
    assert len(list(tmp_path.glob("deals-*.gz"))) == (4 if way is with_batch_files else 0)


@pytest.mark.parametrize("way", [with_records, with_batch_files])
def test_the_next_run_writes_only_updated_rows(from_postgres, crm, destination, way, tmp_path):
    from_postgres.tap |= way(tmp_path)
    from_postgres.run_well()
    crm.execute(
        "update crm.deals set amount = null, notes = null, name = name || '!', updated_at = now()"
        " where discount_percent = 42"
    )
    before = len(destination.journal())

    from_postgres.run_well()

    assert held(destination) == rows(crm)
    assert all(each.get("amount") is None for each in changed(destination))
    # Seven changed records, and the one whose date equals the bookmark.
    assert calls(destination, before) == [8]
    assert len(destination.journal(before)) == 3


def changed(sandbox) -> list[dict]:
    found = [each for each in sandbox.instance.opportunities() if each["name"].endswith("!")]
    assert len(found) == 7
    return found


def test_a_row_without_a_name_is_rejected_as_the_tap_sent_it(
    from_postgres, crm, destination, tmp_path
):
    crm.execute("update crm.deals set name = null where external_opportunity_id = 'D-5'")
    rejects = tmp_path / "rejects.jsonl"
    from_postgres.target |= {"max_rejects": 1, "rejects_path": str(rejects)}

    running = from_postgres.run_well()

    assert held(destination).keys() == rows(crm).keys() - {"D-5"}
    (told,) = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert told["stream"] == "crm-deals"
    assert told["record"]["external_opportunity_id"] == "D-5"
    assert told["record"]["discount_percent"] == 5
    assert [reason["code"] for reason in told["reasons"]] == ["1002"]
    assert "crm-deals: 649 created" in running.target.stderr
    assert from_postgres.state is not None


def test_one_reject_above_max_rejects_holds_back_the_state(from_postgres, crm, destination):
    crm.execute("update crm.deals set name = null where external_opportunity_id = 'D-5'")

    codes = from_postgres.run()

    assert codes[1] == 1
    assert from_postgres.state is None
    crm.execute("update crm.deals set name = 'Five' where external_opportunity_id = 'D-5'")
    from_postgres.run_well()
    assert held(destination) == rows(crm)
