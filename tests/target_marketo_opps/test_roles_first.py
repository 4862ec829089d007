"""Test roles that arrive before their opportunities: they are parked, and sent later."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from target_marketo_opps.run import RunLimits
from tests.target_marketo_opps.helpers import calls, stored, syncs

OBJECTS = {"stream_objects": {"roles": "opportunity_roles"}}
DELETED = {"_sdc_deleted_at": "2026-01-01"}


@pytest.fixture(params=["1004", "1013"])
def sandbox(marketo_sandbox_factory, request):
    dialects = ["role-parent-1013"] if request.param == "1013" else []
    sandbox = marketo_sandbox_factory(dialects=frozenset(dialects))
    sandbox.instance.add_leads([1, 2])
    return sandbox


def schemas(singer):
    names = ("externalOpportunityId", "leadId", "role", "isPrimary", "_sdc_deleted_at")
    return [
        singer.schema("roles", names),
        singer.schema(properties=("externalOpportunityId", "name", "amount", "_sdc_deleted_at")),
    ]


def role(singer, key, *, lead=1, name="Buyer", **values):
    return singer.record("roles", externalOpportunityId=key, leadId=lead, role=name, **values)


def run(singer, sandbox, *messages, options=None, **settings):
    chosen = {"hard_delete": True, **OBJECTS, **settings}
    return singer.run(sandbox, [*schemas(singer), *messages], options, **chosen)


def roles(sandbox):
    return {(one["externalOpportunityId"], one["leadId"]): one for one in sandbox.instance.roles()}


def rejects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("size", [1, 300])
def test_role_of_a_deal_created_again_is_not_merged_into_a_bad_one(sandbox, singer, size):
    # In turn, the first version of the role is rejected, and the second is created.
    messages = [
        singer.opportunity("a"),
        singer.record(externalOpportunityId="a", **DELETED),
        role(singer, "a", isPrimary=False),
        singer.opportunity("a"),
        role(singer, "a", isPrimary=True),
    ]
    options = {"limits": RunLimits(max_batch_records=size)}
    ended = run(singer, sandbox, *messages, options=options, max_rejects=1).succeeded()
    assert roles(sandbox)["a", 1]["isPrimary"] is True
    assert "roles: 1 created, 0 updated, 0 deleted, 0 unchanged, 0 left alone, 1 rej" in (
        ended.closing
    )


def test_a_tap_may_send_all_roles_first(sandbox, singer):
    messages = [role(singer, f"K{n}", lead=lead) for n in range(400) for lead in (1, 2)]
    messages += [singer.state("roles"), *(singer.opportunity(f"K{n}") for n in range(400))]
    ended = run(singer, sandbox, *messages, singer.state("all")).succeeded()
    assert len(roles(sandbox)) == 800
    assert "roles: 800 created, 0 updated, 0 deleted, 0 unchanged, 0 left alone, 0 rejected;" in (
        ended.closing
    )
    assert ended.states[-1] == "all"
    operations = Counter(call["operation"] for call in sandbox.journal())
    # Each role is sent twice, in calls most of which are full.
    assert operations["sync opportunity"] <= 2 + 2
    assert operations["sync role"] <= 3 + 3 + 2


def test_state_after_a_parked_role_waits_for_its_opportunity(sandbox, singer):
    messages = [role(singer, "a"), singer.state(1), singer.opportunity("b"), singer.state(2)]
    limits = {"limits": RunLimits(max_batch_records=1)}
    ended = run(singer, sandbox, *messages, options=limits)
    assert "Too many rejected records: 1 (max_rejects is 0)" in str(ended.error)
    assert ended.states == []
    assert set(stored(sandbox)) == {"b"}


def test_parked_roles_are_rejected_at_the_end_of_the_input(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [role(singer, "a"), role(singer, "b", lead=9), singer.opportunity("c")]
    ended = run(
        singer, sandbox, *messages, singer.state(1), max_rejects=2, rejects_path=str(path)
    ).succeeded()
    assert ended.states == [1]
    assert len(rejects(path)) == 2
    for reject in rejects(path):
        assert reject["reasons"][0]["code"] in {"1004", "1013"}
        assert "deliver both first" in reject["reasons"][0]["message"]
        assert reject["request_id"]


def test_role_of_an_accepted_opportunity_lacks_its_lead(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [singer.opportunity("a"), role(singer, "a", lead=9), singer.state(1)]
    ended = run(singer, sandbox, *messages, max_rejects=1, rejects_path=str(path)).succeeded()
    (reject,) = rejects(path)
    assert "the opportunity exists, so the lead is missing" in reject["reasons"][0]["message"]
    assert ended.states == [1]
    assert len(calls(sandbox, "sync role")) == 1


def test_role_of_a_deleted_opportunity_is_rejected_with_reason(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    deleted = singer.record(externalOpportunityId="a", **DELETED)
    messages = [singer.opportunity("a"), deleted, role(singer, "a"), singer.opportunity("a")]
    messages += [role(singer, "a", lead=9)]
    ended = run(singer, sandbox, *messages, max_rejects=2, rejects_path=str(path)).succeeded()
    gone, no_lead = (reject["reasons"][0]["message"] for reject in rejects(path))
    assert "the opportunity was deleted in this run" in gone
    assert "so the lead is missing" in no_lead
    assert "1 deleted" in ended.closing


@pytest.mark.parametrize("merge_versions", [True, False])
def test_later_versions_of_a_parked_role_are_parked(sandbox, singer, merge_versions):
    limits = {"limits": RunLimits(max_batch_records=1)}
    messages = [
        role(singer, "a", isPrimary=False),
        role(singer, "a", isPrimary=True),
        singer.opportunity("a"),
    ]
    ended = run(
        singer, sandbox, *messages, options=limits, merge_versions=merge_versions
    ).succeeded()
    assert roles(sandbox)["a", 1]["isPrimary"] is True
    assert "roles: 1 created, 1 updated" in ended.closing
    assert ("1 merged" in ended.closing) is merge_versions


@pytest.mark.parametrize("deleted", ["role", "opportunity"])
def test_delete_of_role_or_opportunity_rejects_parked_role(sandbox, singer, tmp_path, deleted):
    path = tmp_path / "rejects.jsonl"
    delete = (
        role(singer, "a", **DELETED)
        if deleted == "role"
        else singer.record(externalOpportunityId="a", **DELETED)
    )
    messages = [role(singer, "a"), delete, singer.opportunity("a")]
    limits = {"limits": RunLimits(max_batch_records=1)}
    ended = run(
        singer, sandbox, *messages, options=limits, max_rejects=1, rejects_path=str(path)
    ).succeeded()
    (reject,) = rejects(path)
    assert "was deleted while the role waited" in reject["reasons"][0]["message"]
    assert roles(sandbox) == {}
    assert "1 deleted" in ended.closing


@pytest.mark.parametrize("deleted", ["role", "opportunity"])
def test_role_after_a_delete_is_not_dismissed(sandbox, singer, deleted):
    gone = singer.record(externalOpportunityId="a", **DELETED)
    delete = role(singer, "a", **DELETED) if deleted == "role" else gone
    # The first delete is in flight, so that all others are queued when the role is skipped.
    messages = [gone, gone, role(singer, "a"), delete, role(singer, "a"), singer.opportunity("a")]
    limits = {"limits": RunLimits(max_batch_records=1)}
    ended = run(
        singer, sandbox, *messages, options=limits, max_rejects=1, max_concurrent_calls=1
    ).succeeded()
    assert len(roles(sandbox)) == 1
    assert "roles: 1 created" in ended.closing


def test_parked_role_does_not_block_its_opportunity(sandbox, singer):
    limits = {"limits": RunLimits(max_batch_records=1)}
    messages = [
        role(singer, "a", lead=1),
        role(singer, "a", lead=2),
        singer.opportunity("a"),
        role(singer, "a", lead=2, name="User"),
    ]
    ended = run(singer, sandbox, *messages, options=limits).succeeded()
    assert "roles: 3 created" in ended.closing


def test_overdue_role_of_an_existing_opportunity_is_rejected(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    run(singer, sandbox, singer.opportunity("old,comma"), singer.opportunity("old")).succeeded()
    limits = {"limits": RunLimits(max_batch_records=1, state_patience_seconds=0.0)}
    messages = [role(singer, "old", lead=9), singer.state(1)]
    messages += [singer.opportunity(f"K{n}") for n in range(60)]
    ended = run(
        singer,
        sandbox,
        *messages,
        singer.state(2),
        options=limits,
        max_rejects=1,
        rejects_path=str(path),
        max_concurrent_calls=2,
        calls_per_20_seconds=100,
    ).succeeded()
    (reject,) = rejects(path)
    assert "the opportunity exists, so the lead is missing" in reject["reasons"][0]["message"]
    assert ended.states[-1] == 2
    assert len(calls(sandbox, "query opportunity")) == 1


def test_overdue_role_of_a_missing_opportunity_stays_parked(sandbox, singer):
    limits = {"limits": RunLimits(max_batch_records=1, state_patience_seconds=0.0)}
    messages = [
        role(singer, "a"),
        singer.state(1),
        *(singer.opportunity(f"K{n}") for n in range(60)),
    ]
    messages += [singer.opportunity("a"), singer.state(2)]
    ended = run(singer, sandbox, *messages, options=limits, calls_per_20_seconds=100).succeeded()
    assert ended.states[-1] == 2
    assert "roles: 1 created" in ended.closing
    assert len(calls(sandbox, "query opportunity")) >= 1


def test_invalid_input_rejects_no_parked_role(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [singer.opportunity("x"), singer.state(0), role(singer, "a"), singer.state(1), b"{"]
    ended = run(singer, sandbox, *messages, max_rejects=9, rejects_path=str(path))
    assert "cannot be used" in str(ended.error)
    assert rejects(path) == []
    assert ended.states == [0]
    assert "1 not delivered" in ended.closing
    assert len(syncs(sandbox)) == 1


def test_role_of_an_existing_deal_is_created_though_its_twin_waits(marketo_sandbox_factory, singer):
    # To this instance "d-2" and "D-2" are two deals, and of "d-2" only a role arrives.
    sandbox = marketo_sandbox_factory(exact_keys=True)
    sandbox.instance.add_leads([1])
    run(singer, sandbox, singer.opportunity("D-2")).succeeded()
    messages = [role(singer, "d-2"), singer.opportunity("D-2"), role(singer, "D-2")]
    options = {"limits": RunLimits(max_batch_records=1)}
    chosen = {"action": "createOnly", "max_rejects": 2}
    ended = run(singer, sandbox, *messages, options=options, **chosen).succeeded()
    assert set(roles(sandbox)) == {("D-2", 1)}
    assert "roles: 1 created, 0 updated, 0 deleted, 0 unchanged, 0 left alone, 1 rejected" in (
        ended.closing
    )
