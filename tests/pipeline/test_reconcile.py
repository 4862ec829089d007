"""A reconcile between two instances: opportunities deleted in one are deleted in the other."""

from __future__ import annotations

import pytest

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from marketo_opps.wire import encode_record
from tests.manual.pages import page
from tests.pipeline.compare import KEY, held
from tests.pipeline.instances import *  # noqa: F403 - fixtures


@pytest.fixture
def mirrored(pair, source, tmp_path):
    """Return a pair set to reconcile after a full copy, and the five keys deleted since then."""
    pair.run_well()
    columns = [KEY, "marketoGUID", "updatedAt"]
    deals = source.instance.opportunities()
    path = tmp_path / "deals.csv"
    rows = [f"{deal[KEY]},{deal['marketoGUID']},{deal['updatedAt']}\n" for deal in deals]
    path.write_text(f"{','.join(columns)}\n{''.join(rows)}")
    client = MarketoClient(ConnectionSettings.from_config(source.credentials))
    gone = [deal[KEY] for deal in deals[:5]]
    keys = [encode_record({KEY: each}) for each in gone]
    client.delete(MarketoObject.OPPORTUNITIES, keys, delete_by="dedupeFields")
    client.close()
    pair.tap = {
        **source.credentials,
        "find_by": "reconcile",
        "reconcile_opportunities_path": str(path),
    }
    return pair, gone


def test_hard_delete_deletes_what_a_reconcile_found_missing(mirrored, destination):
    pair, gone = mirrored
    assert {*gone} <= held(destination).keys()
    pair.target["hard_delete"] = True
    running = pair.run_well()
    assert not {*gone} & held(destination).keys()
    assert len(held(destination)) == 695
    assert "5 deleted" in running.target.stderr


def test_without_hard_delete_tombstones_are_counted_only(mirrored, destination):
    pair, gone = mirrored
    running = pair.run_well()
    assert {*gone} <= held(destination).keys()
    assert "5 left alone" in running.target.stderr


def test_tombstones_without_the_key_are_no_deletes(mirrored, destination, tmp_path):
    pair, gone = mirrored
    lines = (tmp_path / "deals.csv").read_text().splitlines()
    guids = "".join(f"{line.split(',')[1]}\n" for line in lines[:6])
    (tmp_path / "deals.csv").write_text(guids)
    pair.target |= {"hard_delete": True, "max_rejects": 5}
    running = pair.run_well()
    assert {*gone} <= held(destination).keys()
    assert "5 rejected" in running.target.stderr
    assert "without it, they are rejected" in " ".join(page("reconcile.md").split())
