"""Test `receipts_path`: the outcome of every record, on disk before a later STATE."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from marketo_opps.plugin.errors import OutputFileError
from target_marketo_opps.state.state_writer import StateWriter
from tests.target_marketo_opps.helpers import stored

MEMBERS = ["at", "stream", "object", "key", "status", "marketoGUID", "reasons", "request_id"]
DELETED = "2026-01-01T00:00:00Z"


@pytest.fixture
def receipts(tmp_path):
    """Return a function that reads the receipts; its attribute `path` is their path."""
    path = tmp_path / "receipts.jsonl"

    def read():
        return [json.loads(line) for line in path.read_text().splitlines()]

    read.path = str(path)
    return read


def statuses(receipts):
    return [(each["key"]["externalOpportunityId"], each["status"]) for each in receipts()]


def test_each_record_has_one_line_with_its_guid_and_request(marketo_sandbox, singer, receipts):
    marketo_sandbox.set_clock(datetime(2026, 5, 1, 12, tzinfo=UTC), frozen=True)
    singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("old")]).succeeded()
    records = [
        singer.opportunity("old", name="New"),
        singer.opportunity("new"),
        singer.opportunity("bad", name=""),
        singer.opportunity("left", _sdc_deleted_at=DELETED),
    ]
    singer.run(
        marketo_sandbox,
        [singer.schema(), *records, singer.state(1)],
        receipts_path=receipts.path,
        max_rejects=1,
    ).succeeded()
    lines = {each["key"]["externalOpportunityId"]: each for each in receipts()}
    assert [list(each) for each in lines.values()] == [MEMBERS] * 4
    assert {key: each["status"] for key, each in lines.items()} == {
        "old": "updated",
        "new": "created",
        "bad": "rejected",
        "left": "left_alone",
    }
    held = stored(marketo_sandbox)
    for key in ("old", "new"):
        assert lines[key]["marketoGUID"] == held[key]["marketoGUID"]
        assert "#" in lines[key]["request_id"]
        assert lines[key]["at"] == "2026-05-01T12:00:00+00:00"
        assert (lines[key]["stream"], lines[key]["object"]) == ("opportunities", "opportunities")
    assert lines["bad"]["reasons"][0]["code"] == "1002"
    assert (lines["bad"]["marketoGUID"], lines["bad"]["request_id"]) == (None, None)
    assert lines["old"]["reasons"] == lines["left"]["reasons"] == []
    assert (lines["left"]["stream"], lines["left"]["object"]) == ("opportunities", "opportunities")


def test_record_created_by_a_lost_call_has_its_guid(marketo_sandbox, singer, receipts):
    marketo_sandbox.fault("cut_after_write", operation="sync opportunity", times=1)
    singer.run(
        marketo_sandbox,
        [singer.schema(), singer.opportunity("a")],
        action="createOnly",
        receipts_path=receipts.path,
    ).succeeded()
    (line,) = receipts()
    assert line["status"] == "created"
    assert line["marketoGUID"] == stored(marketo_sandbox)["a"]["marketoGUID"]


def test_merged_versions_have_a_line_each_and_one_guid(marketo_sandbox, singer, receipts):
    records = [singer.opportunity("a", amount=amount) for amount in (1, 2, 3)]
    singer.run(
        marketo_sandbox, [singer.schema(), *records], receipts_path=receipts.path
    ).succeeded()
    assert statuses(receipts) == [("a", "created"), ("a", "updated"), ("a", "updated")]
    guid = stored(marketo_sandbox)["a"]["marketoGUID"]
    assert {each["marketoGUID"] for each in receipts()} == {guid}
    assert len({each["request_id"] for each in receipts()}) == 1


def test_unchanged_record_has_a_guid_and_no_request_id(marketo_sandbox, singer, receipts):
    records = [singer.schema(), singer.opportunity("a")]
    singer.run(marketo_sandbox, records).succeeded()
    singer.run(
        marketo_sandbox, records, skip_unchanged=True, receipts_path=receipts.path
    ).succeeded()
    (line,) = receipts()
    assert (line["status"], line["request_id"]) == ("unchanged", None)
    assert line["marketoGUID"] == stored(marketo_sandbox)["a"]["marketoGUID"]


def test_guid_in_the_receipt_of_an_unchanged_record_has_no_blanks(
    marketo_sandbox, singer, receipts
):
    # The sandbox, like Marketo, returns the GUIDs of some records with a blank at the end.
    records = [singer.schema(), *(singer.opportunity(f"D-{number}") for number in range(8))]
    singer.run(marketo_sandbox, records).succeeded()
    singer.run(
        marketo_sandbox, records, skip_unchanged=True, receipts_path=receipts.path
    ).succeeded()
    guids = {each["marketoGUID"] for each in stored(marketo_sandbox).values()}
    assert {each["marketoGUID"] for each in receipts()} == guids


def test_deletes_of_missing_records_have_status_deleted(marketo_sandbox, singer, receipts):
    singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("a")]).succeeded()
    records = [singer.opportunity(key, _sdc_deleted_at=DELETED) for key in ("a", "gone")]
    singer.run(
        marketo_sandbox,
        [singer.schema(), *records],
        hard_delete=True,
        receipts_path=receipts.path,
    ).succeeded()
    assert statuses(receipts) == [("a", "deleted"), ("gone", "deleted")]


def test_receipt_has_input_stream_name_and_complete_key(marketo_sandbox_factory, singer, receipts):
    marketo_sandbox = marketo_sandbox_factory(leads=3)
    singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("a")]).succeeded()
    role = {"externalOpportunityId": "a", "leadId": 1, "role": "Buyer"}
    orphan = {"externalOpportunityId": "none", "leadId": 1, "role": "Buyer"}
    singer.run(
        marketo_sandbox,
        [
            singer.schema("people", tuple(role)),
            *(singer.record("people", **each) for each in (role, orphan)),
        ],
        stream_objects={"people": "opportunity_roles"},
        receipts_path=receipts.path,
        max_rejects=1,
    ).succeeded()
    told = [(each["stream"], each["object"], each["key"], each["status"]) for each in receipts()]
    assert told == [
        ("people", "opportunity_roles", role, "created"),
        ("people", "opportunity_roles", orphan, "rejected"),
    ]
    _, rejected = receipts()
    (reason,) = rejected["reasons"]
    assert reason["code"] == "1004"
    assert "no opportunity with this id was accepted in this run" in reason["message"]
    assert "#" in rejected["request_id"]


def test_a_dry_run_leaves_no_receipts(marketo_sandbox, singer, receipts, tmp_path):
    singer.run(
        marketo_sandbox,
        [singer.schema(), singer.opportunity("a")],
        receipts_path=receipts.path,
        dry_run=True,
    ).succeeded()
    assert not list(tmp_path.glob("receipts*"))


def test_a_full_disk_ends_the_run_before_its_state(marketo_sandbox, singer):
    run = singer.run(
        marketo_sandbox,
        [singer.schema(), singer.opportunity("a"), singer.state(1)],
        receipts_path="/dev/full",
    )
    assert isinstance(run.error, OutputFileError)
    assert "No STATE was written after a record without a receipt" in str(run.error)
    assert run.states == []


def test_receipts_are_on_disk_before_a_state_is_written(
    marketo_sandbox, singer, receipts, monkeypatch
):
    seen = []
    write = StateWriter.write

    def look(self, value):
        seen.append((value, len(receipts())))
        write(self, value)

    monkeypatch.setattr(StateWriter, "write", look)
    messages = [singer.schema()]
    for number in range(3):
        messages += [singer.opportunity(f"D-{number}"), singer.state(number)]
    singer.run(marketo_sandbox, messages, receipts_path=receipts.path).succeeded()
    assert seen
    assert all(count > value for value, count in seen)
