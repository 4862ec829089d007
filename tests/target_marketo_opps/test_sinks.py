"""What a sink does with the records of its stream, from their schema and the settings."""

from __future__ import annotations

import json

import pytest

from target_marketo_opps.sinks import ObjectSink
from tests.target_marketo_opps.helpers import stored

pytestmark = pytest.mark.slow


def test_the_metric_counts_all_records_of_the_stream(marketo_sandbox, singer, caplog):
    caplog.set_level("INFO")
    messages = [
        singer.schema(),
        *(singer.opportunity(f"K{n}", amount=each) for n, each in enumerate("1020")),
    ]
    maps = {"opportunities": {"__alias__": "opportunities", "amount": "10 / int(amount)"}}
    run = singer.run(marketo_sandbox, messages, stream_maps=maps, max_rejects=2).succeeded()
    assert "2 rejected" in run.closing
    assert "not delivered" not in run.closing
    metrics = [json.loads(line[8:]) for line in caplog.messages if line.startswith("METRIC: ")]
    assert [each["value"] for each in metrics if each["metric"] == "record_count"] == [4]


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_schema_decides_which_properties_are_written(marketo_sandbox, singer, closed):
    schema = singer.schema(properties=("externalOpportunityId", "name"))
    schema["schema"]["additionalProperties"] = not closed
    singer.run(marketo_sandbox, [schema, singer.opportunity("a", stage="Won")]).succeeded()
    assert stored(marketo_sandbox)["a"].get("stage") == (None if closed else "Won")


def test_a_mapped_key_tells_what_the_stream_holds(marketo_sandbox, singer):
    messages = [singer.schema("crm", ("id", "name")), singer.record("crm", id="a", name="n")]
    fields = {"crm": {"id": "externalOpportunityId"}}
    run = singer.run(marketo_sandbox, messages, field_map=fields).succeeded()
    assert "crm: 1 created" in run.closing


def test_a_guid_tells_what_the_stream_holds_if_it_is_the_key(marketo_sandbox, singer):
    marketo_sandbox.seed(1)
    (one,) = marketo_sandbox.instance.opportunities()
    record = singer.record("crm", marketoGUID=one["marketoGUID"], name="n")
    messages = [singer.schema("crm", ("marketoGUID", "name")), record]
    run = singer.run(
        marketo_sandbox, messages, action="updateOnly", dedupe_by="idField"
    ).succeeded()
    assert "crm: 0 created, 1 updated" in run.closing


def test_a_bad_deletion_mark_is_told_with_all_other_faults(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    bad = singer.opportunity(None, amount="much", _sdc_deleted_at="yesterday")
    singer.run(
        marketo_sandbox, [singer.schema(), bad], max_rejects=1, rejects_path=str(path)
    ).succeeded()
    (reject,) = map(json.loads, path.read_text().splitlines())
    told = " ".join(each["message"] for each in reject["reasons"])
    assert all(word in told for word in ("_sdc_deleted_at", "externalOpportunityId", "amount"))


def test_the_sdks_own_method_passes_a_record_on():
    taken = []

    class Sink(ObjectSink):
        def __init__(self):
            pass

        stream_name = "deals"

        def take(self, *given):
            taken.append(given)

    Sink().process_record({"id": "a"}, {})
    assert taken == [({"id": "a"}, "deals", b'{"record":{"id":"a"}}')]
