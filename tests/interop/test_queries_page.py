"""The queries of `docs/queries.md`, run on data that the tap has loaded into PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.manual.pages import ROOT, blocks, page

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

BY_STAGE, IN_STAGE, WON, ALONE = blocks("sql", page("queries.md"))
NUMBERS, HISTORY, *_ = blocks("sql", page("history.md"))
(DRAWING,) = blocks("python", page("queries.md"))
(DRAW,) = blocks("sh", page("queries.md"))
KEY = "externalOpportunityId"
PNG = b"\x89PNG"


@pytest.fixture
def source(marketo_sandbox_factory):
    """Return an instance smaller than that of other tests, because each test loads it again."""
    return marketo_sandbox_factory(opportunities=150, leads=40, seed=3)


@pytest.fixture
def loaded(pair, source, third_party, database, everything_selected):
    """Load the source, with changed records, a deleted opportunity and a deleted role."""
    ids = source.instance.opportunity_ids()
    source.instance.change(ids[:40], {"stage": "Negotiation", "isClosed": False})
    source.instance.change(ids[40:50], {"amount": None, "isWon": True})
    pair.target_program = third_party("target-postgres")
    pair.target = {**database.settings, "default_target_schema": "public"}
    pair.environment = {"PGTZ": "UTC"}
    pair.tap |= {"start_date": "2020-01-01"}
    pair.tap_arguments = ("--catalog", everything_selected)
    pair.run_well()
    database.execute(NUMBERS + HISTORY)
    return database


def _rows(database, query):
    return database.rows(query.strip().rstrip(";"))


def _amount(deal):
    return Decimal(str(deal.get("amount", 0)))


def _persons(source):
    """Return the leads of each opportunity."""
    found = defaultdict(set)
    for role in source.instance.roles():
        found[role[KEY]].add(role["leadId"])
    return found


def test_open_deals_are_counted_by_stage(loaded, source):
    counts, amounts = defaultdict(int), defaultdict(Decimal)
    for deal in source.instance.opportunities():
        if not deal.get("isClosed"):
            counts[deal.get("stage", "(none)")] += 1
            amounts[deal.get("stage", "(none)")] += _amount(deal)
    rows = _rows(loaded, BY_STAGE)
    assert {row["stage"]: row["deals"] for row in rows} == counts
    assert {row["stage"]: row["amount"] for row in rows} == amounts
    assert [row["deals"] for row in rows] == sorted(counts.values(), reverse=True)


def test_the_chart_is_drawn_from_the_stages_query(loaded, tmp_path):
    where = {name: loaded.settings[name] for name in ("host", "port", "user", "database")}
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{loaded.bin}:{os.environ['PATH']}",
        "WAREHOUSE": "host={host} port={port} user={user} dbname={database}".format(**where),
    }
    (tmp_path / "draw.py").write_text(DRAWING)
    (tmp_path / "stages.sql").write_text(f"set search_path = public;\n{BY_STAGE}")
    subprocess.run(["bash", "-ec", DRAW], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "stages.png").read_bytes().startswith(PNG)
    assert (ROOT / "docs" / "images" / "stages.png").read_bytes().startswith(PNG)


def test_days_in_stage_are_counted_from_the_last_change(loaded, source):
    (changed, *_) = source.instance.opportunity_ids()
    days = {row[KEY]: row["days"] for row in _rows(loaded, IN_STAGE)}
    open_deals = [each for each in source.instance.opportunities() if not each.get("isClosed")]
    assert days.keys() == {each[KEY] for each in open_deals}
    assert days[changed] <= 1
    told = {
        row[KEY] for row in loaded.rows(f"select \"{KEY}\" from deal_history where field = 'stage'")
    }
    today = datetime.now(UTC).date()
    for deal in open_deals:
        if deal[KEY] not in told:
            made = datetime.fromtimestamp(deal["createdAt"], UTC).date()
            assert 0 <= (today - made).days - days[deal[KEY]] + 1 <= 2, deal[KEY]


def test_won_deals_are_counted_once_per_person(loaded, source):
    won, amounts = defaultdict(int), defaultdict(Decimal)
    persons = _persons(source)
    for deal in source.instance.opportunities():
        for lead in persons[deal[KEY]] if deal.get("isWon") else ():
            won[lead] += 1
            amounts[lead] += _amount(deal)
    rows = _rows(loaded, WON)
    assert {row["leadId"]: row["won"] for row in rows} == won
    assert {row["leadId"]: row["amount"] for row in rows} == amounts


def test_deals_without_a_person_are_found(loaded, source):
    alone = {*source.instance.opportunity_ids()} - _persons(source).keys()
    assert {row[KEY] for row in _rows(loaded, ALONE)} == alone


def test_deleted_records_are_in_no_query_result(loaded, source):
    gone = source.instance.roles()[0][KEY]
    loaded.execute("update opportunities set _sdc_deleted_at = now(); select 1")
    assert [_rows(loaded, query) for query in (BY_STAGE, IN_STAGE, WON, ALONE)] == [[]] * 4
    loaded.execute(f"update opportunities set _sdc_deleted_at = null where \"{KEY}\" = '{gone}'")
    loaded.execute("update opportunity_roles set _sdc_deleted_at = now()")
    assert [row[KEY] for row in _rows(loaded, ALONE)] == [gone]
