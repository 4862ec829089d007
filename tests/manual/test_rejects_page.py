"""`docs/rejects.md`: from the run that rejects records until they are delivered."""

from __future__ import annotations

import json
import re

import pytest

from marketo_opps.errors import DataError
from tests.manual.pages import blocks, page, section

PAGE = page("rejects.md")
(CONFIG,) = blocks("json", PAGE)
LEAD = 1


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=10, leads=8, seed=3, refuse_delete_in_use=True)


@pytest.fixture
def reader(sandbox, reader_of):
    """Return a reader whose CRM sends records that are rejected."""
    instead = {
        f'"{name}": "{shown}"': f'"{name}": "{sandbox.credentials[name]}"'
        for name, shown in re.findall(r'"(endpoint|client_id|client_secret)": "(.*?)"', CONFIG)
    }
    reader = reader_of(PAGE, {**instead, "OPP-0000001": in_use(sandbox)})
    reader.has("tap-of-your-crm", "cat crm.singer")
    reader.writes("target.json", CONFIG)
    reader.writes("tap.json", json.dumps(sandbox.credentials))
    reader.writes("crm.singer", "".join(json.dumps(each) + "\n" for each in messages()))
    return reader


def in_use(sandbox) -> str:
    return next(role["externalOpportunityId"] for role in sandbox.instance.roles())


def messages():
    yield schema("deals", "external_opportunity_id", "name", "amount", "_sdc_deleted_at")
    yield schema("deal_contacts", "external_opportunity_id", "lead_id", "role")
    deals = [("D-1", "One", 10.5), ("D-2", "Two", "n/a"), ("D-3", "Three", "n/a"), ("D-4", "", 1)]
    for key, name, amount in deals:
        yield record("deals", external_opportunity_id=key, name=name, amount=amount)
    gone = "2026-01-31T00:00:00Z"
    yield record("deals", external_opportunity_id="OPP-0000001", _sdc_deleted_at=gone)
    role = {"lead_id": LEAD, "role": "Decision Maker"}
    yield record("deal_contacts", external_opportunity_id="D-2", **role)
    yield {"type": "STATE", "value": {"read": "all"}}


def schema(stream, *properties):
    shape = {"properties": {name: {} for name in properties}}
    return {"type": "SCHEMA", "stream": stream, "schema": shape, "key_properties": []}


def record(stream, **values):
    return {"type": "RECORD", "stream": stream, "record": values}


def deals(sandbox) -> set[str]:
    return {each for each in sandbox.instance.opportunity_ids() if each.startswith("D-")}


def roles_of(sandbox, deal) -> list[int]:
    roles = sandbox.instance.roles()
    return [each["leadId"] for each in roles if each["externalOpportunityId"] == deal]


def test_commands_on_the_page_lead_from_rejects_to_delivery(reader, sandbox):
    """Run each command in order, and check the records after it."""
    said, counted = map(reader.own, blocks("text", PAGE))

    told = reader.does("tap-of-your-crm").stderr
    for line in said.splitlines():
        assert line in told
    assert (reader.directory / "states.jsonl").read_text() == '{"read":"all"}\n'
    assert deals(sandbox) == {"D-1"}

    assert reader.does("collections").stdout == counted
    assert [json.loads(each)["request_id"] for each in lines(reader, "rejects.jsonl")[:3]] == [
        None,
        None,
        None,
    ]
    assert reader.does("json.tool").stdout.count('"n/a"') == 2

    reader.does("corrected.jsonl")
    before = len(sandbox.journal())
    told = reader.does("DRY_RUN=true").stderr
    assert told.count("0 rejected") == 2
    assert not [call for call in sandbox.journal(before) if "sync" in call["operation"]]

    answer = reader.does("mv rejects.jsonl")
    assert answer.stdout == ""
    assert deals(sandbox) == {"D-1", "D-2", "D-3", "D-4"}
    assert roles_of(sandbox, "D-2") == [LEAD]
    assert in_use(sandbox) in sandbox.instance.opportunity_ids()
    assert lines(reader, "rejects.jsonl") == []

    answer = reader.does("FILTER_VALUES_PATH=ids.txt")
    assert answer.stdout == "3\n"
    assert "nothing found for" not in answer.stderr

    told = reader.does("SKIP_UNCHANGED=true").stderr
    assert "deals: 0 created, 0 updated, 0 deleted, 3 unchanged, 0 left alone, 0 rejected" in told
    reader.does("rm ")
    assert sorted(path.name for path in reader.directory.glob("*.jsonl")) == [
        "rejects.jsonl",
        "states.jsonl",
    ]


def lines(reader, name) -> list[str]:
    return (reader.directory / name).read_text().splitlines()


def test_every_code_of_a_rejected_record_is_on_the_page():
    told = set(re.findall(r"\b\d{3,4}\b", "\n".join(rows("Reasons by code"))))

    assert DataError.codes | {"413", "1018"} <= told


def rows(heading) -> list[str]:
    """Return the first cells of the table rows below a heading."""
    return re.findall(r"^\| ([\d, ]+) \|", section(heading, PAGE), re.MULTILINE)
