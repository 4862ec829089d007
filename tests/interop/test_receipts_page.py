"""The SQL of `docs/receipts.md`, run on receipts that the target has written."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.manual.pages import blocks, page
from tests.pipeline.processes import BIN

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

PAGE = page("receipts.md")
TABLE, COPY, VIEW, LATEST = blocks("sql", PAGE)


@pytest.fixture
def receipts(marketo_sandbox_factory, tmp_path):
    """Return the path of a file with receipts of each kind."""
    sandbox = marketo_sandbox_factory(leads=3)
    path = tmp_path / "receipts.jsonl"
    config = tmp_path / "target.json"
    settings = {"receipts_path": str(path), "max_rejects": -1, "stream_objects": OBJECTS}
    config.write_text(json.dumps({**sandbox.credentials, **settings}))
    subprocess.run(
        [BIN / "target-marketo-opps", "--config", config],
        input="".join(json.dumps(each) + "\n" for each in MESSAGES).encode(),
        check=True,
        capture_output=True,
    )
    return path


OBJECTS = {"people": "opportunity_roles"}
ROLE = {"externalOpportunityId": 'D "1",\\', "leadId": 2, "role": "Buyer"}
MESSAGES = [
    {
        "type": "SCHEMA",
        "stream": "deals",
        "schema": {"properties": {"externalOpportunityId": {}, "name": {}}},
    },
    *(
        {
            "type": "RECORD",
            "stream": "deals",
            "record": {"externalOpportunityId": key, "name": name},
        }
        for key, name in (('D "1",\\', "A"), ("D-2", ""), ('D "1",\\', "B"))
    ),
    {"type": "SCHEMA", "stream": "people", "schema": {"properties": {name: {} for name in ROLE}}},
    {"type": "RECORD", "stream": "people", "record": ROLE},
]


def test_the_sql_on_the_page_loads_and_shows_receipts(receipts, database):
    database.execute(TABLE)
    database.execute(COPY.replace("receipts.jsonl", str(receipts)))
    database.execute(VIEW)
    rows = database.rows("select * from receipt_lines order by at, status, stream")
    assert len(rows) == len(receipts.read_text().splitlines()) == 4
    assert sorted((each["stream"], each["status"]) for each in rows) == [
        ("deals", "created"),
        ("deals", "rejected"),
        ("deals", "updated"),
        ("people", "created"),
    ]
    (role,) = [each for each in rows if each["stream"] == "people"]
    assert (role["external_opportunity_id"], role["lead_id"]) == ('D "1",\\', 2)
    (bad,) = [each for each in rows if each["status"] == "rejected"]
    assert (bad["code"], bad["marketo_guid"]) == ("1002", None)
    latest = database.rows(LATEST.strip().rstrip(";"))
    assert len(latest) == 3
    assert [each["status"] for each in latest if each["object"] == "opportunities"] == [
        "updated",
        "rejected",
    ]


def test_the_lines_on_the_page_have_the_receipts_members(receipts):
    shown = [json.loads(each) for each in blocks("json", PAGE)]
    (receipt,) = [each for each in shown if "at" in each]
    lines = [json.loads(line) for line in receipts.read_text().splitlines()]
    assert {tuple(each) for each in lines} == {tuple(receipt)}
