"""Test merged versions of one key: number of calls, and bad versions."""

from __future__ import annotations

import json

import pytest

from tests.target_marketo_opps.helpers import stored, syncs


def versions(singer, count, *, key="a", bad=()):
    for number in range(count):
        person = {"externalSalesPersonId": "nobody"} if number in bad else {}
        yield singer.opportunity(key, amount=number, **person)


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(sales_persons=frozenset({"somebody"}))


def schema(singer):
    names = ("externalOpportunityId", "name", "amount", "externalSalesPersonId", "_sdc_deleted_at")
    return singer.schema(properties=names)


def test_ten_thousand_versions_of_one_deal_take_a_call(sandbox, singer):
    run = singer.run(sandbox, [schema(singer), *versions(singer, 10_000), singer.state(1)])
    assert len(syncs(sandbox)) == 1
    assert float(stored(sandbox)["a"]["amount"]) == 9_999
    assert "1 created, 9,999 updated" in run.succeeded().closing
    assert "0 rejected, 9,999 merged; " in run.closing
    assert run.states == [1]


@pytest.mark.parametrize("bad", [0, 6_666, 9_999])
def test_one_bad_version_of_10000_costs_thirty_more_calls(sandbox, singer, tmp_path, bad):
    path = tmp_path / "rejects.jsonl"
    messages = [schema(singer), *versions(singer, 10_000, bad=[bad]), singer.state(1)]
    run = singer.run(sandbox, messages, max_rejects=1, rejects_path=str(path)).succeeded()
    assert len(syncs(sandbox)) <= 31
    (reject,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert reject["record"]["amount"] == bad
    assert reject["reasons"][0]["code"] == "718"
    assert "1 created, 9,998 updated" in run.closing
    assert float(stored(sandbox)["a"]["amount"]) == (9_998 if bad == 9_999 else 9_999)
    assert run.states == [1]


def test_halves_of_several_records_share_calls(sandbox, singer):
    messages = [schema(singer), *versions(singer, 16, key="fine")]
    for key in "abcdef":
        messages += versions(singer, 16, key=key, bad=[5])
    run = singer.run(sandbox, messages, max_rejects=6).succeeded()
    assert "6 rejected, 105 merged; " in run.closing
    # Searching each record by itself would take six times eight calls.
    assert len(syncs(sandbox)) <= 20


def test_rejected_version_over_max_rejects_ends_the_run(sandbox, singer):
    messages = [schema(singer), *versions(singer, 64, bad=[10, 50]), singer.state(1)]
    run = singer.run(sandbox, messages, max_rejects=1)
    assert "Too many rejected records: 2 (max_rejects is 1)" in str(run.error)
    assert run.states == []
    assert "not delivered" in run.closing


@pytest.mark.parametrize(
    "settings", [{"merge_versions": False}, {"action": "createOnly", "max_rejects": -1}]
)
def test_each_version_is_sent_without_merging(sandbox, singer, settings):
    run = singer.run(sandbox, [schema(singer), *versions(singer, 5)], **settings).succeeded()
    assert len(syncs(sandbox)) == 5
    assert "merged" not in run.closing


def test_deleted_and_recreated_record_keeps_no_old_values(sandbox, singer):
    deletion = singer.record(externalOpportunityId="a", _sdc_deleted_at="2026-01-01")
    messages = [schema(singer), *versions(singer, 3), deletion, singer.opportunity("a")]
    run = singer.run(sandbox, messages, hard_delete=True).succeeded()
    assert "amount" not in stored(sandbox)["a"]
    assert "2 created, 2 updated, 1 deleted" in run.closing


def test_versions_of_two_streams_are_counted_by_stream(sandbox, singer):
    messages = [singer.schema("deals"), singer.schema("tenders")]
    for number in range(3):
        for stream in ("deals", "tenders"):
            record = {"externalOpportunityId": "a", "name": "n", "amount": number}
            messages.append(singer.record(stream, **record))
    run = singer.run(sandbox, messages).succeeded()
    assert (
        "deals: 1 created, 2 updated, 0 deleted, 0 unchanged, 0 left alone, 0 rejected, 2 merged"
        in (run.closing)
    )
    assert "tenders: 0 created, 3 updated" in run.closing
