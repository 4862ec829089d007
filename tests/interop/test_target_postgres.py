"""The tap into `target-postgres`, with the tables read by SQL."""

from __future__ import annotations

import signal

import pytest

from tests.interop.interrupted_runs import PAGES, SMALL_PAGES, end_half_way, pages_read
from tests.interop.records import KEYS, by_key, last_state, records
from tests.pipeline.compare import KEY, held

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

SCHEMA = "marketo"


@pytest.fixture
def into_postgres(pair, third_party, database, everything_selected):
    """Return a pair with target-postgres as its target and all streams selected.

    The time zone of the database is not UTC, as users' databases may have any.
    """
    database.execute("alter role current_user set timezone to 'America/Chicago'")
    pair.target_program = third_party("target-postgres")
    pair.target = {**database.settings, "default_target_schema": SCHEMA}
    pair.environment = {"PGTZ": "UTC"}
    pair.tap |= {"start_date": "2020-01-01", **SMALL_PAGES}
    pair.tap_arguments = ("--catalog", everything_selected)
    return pair


def stored(database, stream) -> list[dict]:
    return database.rows(f"select * from {SCHEMA}.{stream}")


def as_stored(record) -> dict:
    """Return a value as the tables have it: date-times in UTC without an offset."""
    return {
        name: value.removesuffix("Z") if isinstance(value, str) and value[10:11] == "T" else value
        for name, value in record.items()
    }


def written_again(database, moment) -> set[str]:
    rows = database.rows(
        f'select "externalOpportunityId" as id from {SCHEMA}.opportunities'
        f" where _sdc_batched_at > '{moment}'"
    )
    return {row["id"] for row in rows}


def latest(database) -> str:
    return database.execute(f"select max(_sdc_batched_at) from {SCHEMA}.opportunities")


def assert_all_is_there(database, source) -> None:
    rows = stored(database, "opportunities")
    assert len(rows) == 700
    assert {row[KEY]: row["amount"] for row in rows} == {
        key: values.get("amount") for key, values in held(source).items()
    }
    assert len(stored(database, "opportunity_roles")) == len(source.instance.roles())


def assert_types_and_keys(database) -> None:
    assert {stream: database.primary_key(f"{SCHEMA}.{stream}") for stream in KEYS} == {
        stream: list(key) for stream, key in KEYS.items()
    }
    types = database.column_types(f"{SCHEMA}.opportunities")
    told = {
        "marketoGUID": "text",
        "amount": "numeric",
        "margin": "numeric",
        "probability": "bigint",
        "isWon": "boolean",
        "closeDate": "date",
        "updatedAt": "timestamp without time zone",
        "name": "text",
    }
    assert {name: types[name] for name in told} == told
    assert database.column_types(f"{SCHEMA}.opportunity_activities")["attributes"] == "jsonb"
    assert database.column_types(f"{SCHEMA}.opportunity_roles")["leadId"] == "bigint"


def test_every_value_of_every_stream_is_in_its_table(into_postgres, output, database):
    into_postgres.run_well()

    for stream in KEYS:
        rows = by_key(stream, stored(database, stream))
        written = records(output, stream)
        assert rows.keys() == written.keys(), stream
        for each, record in written.items():
            assert {name: rows[each][name] for name in record} == as_stored(record), each
    assert_types_and_keys(database)
    assert into_postgres.state["bookmarks"].keys() == last_state(output)["bookmarks"].keys()


@pytest.mark.parametrize("load_method", ["append-only", "overwrite"])
def test_a_second_run_upserts_only_changes(into_postgres, source, database, load_method):
    into_postgres.target["load_method"] = load_method
    into_postgres.run_well()
    moment = latest(database)
    source.advance(86_400)
    changed = source.instance.opportunity_ids()[100:125]
    huge = "123456789012345.67"
    source.instance.change(changed, {"amount": huge, "nextStep": None, "legacyNumber": 2**53 + 1})

    into_postgres.run_well()

    again = written_again(database, moment)
    assert set(changed) <= again
    # A record whose date equals the bookmark is read again.
    assert len(again) <= len(changed) + 1
    values = {
        (str(row["amount"]), row["nextStep"], row["legacyNumber"])
        for row in stored(database, "opportunities")
        if row["externalOpportunityId"] in changed
    }
    assert values == {(huge, None, 2**53 + 1)}
    assert_all_is_there(database, source)


def test_records_before_a_stop_of_the_tap_are_not_read_again(into_postgres, source, database):
    codes = end_half_way(into_postgres, source, lambda running: running.tap, signal.SIGTERM)
    assert codes == (128 + signal.SIGTERM, 0)
    before = pages_read(source)
    assert 0 < len(stored(database, "opportunities")) < 700

    into_postgres.run_well()

    assert pages_read(source) - before <= PAGES - 2
    assert_all_is_there(database, source)


def test_records_a_killed_target_did_not_confirm_are_read_again(into_postgres, source, database):
    codes = end_half_way(into_postgres, source, lambda running: running.target, signal.SIGKILL)
    assert codes[0] != 0
    assert into_postgres.state is None
    before = pages_read(source)

    into_postgres.run_well()

    assert pages_read(source) - before == PAGES
    assert_all_is_there(database, source)
