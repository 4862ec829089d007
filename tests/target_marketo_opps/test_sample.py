"""Test `max_records`: a sample is delivered, and no STATE is written."""

from __future__ import annotations

import pytest

from target_marketo_opps.errors import RejectLimitError


def messages(singer, count):
    yield singer.schema()
    for number in range(count):
        yield singer.opportunity(f"D-{number}")
        yield singer.state(number)


def test_max_records_delivers_a_sample_and_writes_no_state(marketo_sandbox, singer):
    run = singer.run(marketo_sandbox, [*messages(singer, 5)], max_records=2).succeeded()
    assert marketo_sandbox.instance.opportunity_ids() == ["D-0", "D-1"]
    assert "2 created" in run.closing
    assert run.states == []
    assert (
        "This run delivered a sample (max_records is 2): skipped 3 records of opportunities; "
        "no STATE was written."
    ) in run.log


def test_sample_counts_each_stream_across_its_schemas(marketo_sandbox, singer):
    deals = [
        singer.record("deals", externalOpportunityId=f"D-{number}", name="n") for number in range(3)
    ]
    others = [singer.opportunity(f"O-{number}") for number in range(3)]
    input_ = [
        singer.schema("deals"),
        singer.schema(),
        deals[0],
        others[0],
        singer.schema("deals", ("externalOpportunityId", "name", "stage")),
        *deals[1:],
        *others[1:],
    ]
    singer.run(marketo_sandbox, input_, max_records=2).succeeded()
    assert sorted(marketo_sandbox.instance.opportunity_ids()) == ["D-0", "D-1", "O-0", "O-1"]


def test_rejects_of_a_sample_count_against_the_limit(marketo_sandbox, singer):
    records = [singer.opportunity(None), singer.opportunity("D-1"), singer.opportunity("D-2")]
    run = singer.run(marketo_sandbox, [singer.schema(), *records], max_records=2)
    assert isinstance(run.error, RejectLimitError)
    assert "D-2" not in marketo_sandbox.instance.opportunity_ids()


@pytest.mark.parametrize("count", [1, 2])
def test_input_within_max_records_is_delivered_completely(marketo_sandbox, singer, count):
    run = singer.run(marketo_sandbox, [*messages(singer, count)], max_records=2).succeeded()
    assert any("skipped nothing; no STATE was written" in line for line in run.log)
    assert run.states == []
