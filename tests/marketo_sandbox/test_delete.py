"""Deletes of opportunities."""

from __future__ import annotations

import pytest

from tests.marketo_sandbox.helpers import outcome


@pytest.fixture
def sandbox(start):
    return start(opportunities=12, leads=6)


def key(number):
    return {"externalOpportunityId": f"OPP-{number:07d}"}


def test_a_deleted_record_is_no_longer_found(api, sandbox):
    assert outcome(api.delete([key(1), key(2)])) == ["deleted", "deleted"]
    assert sandbox.instance.counts()["opportunities"] == 10
    assert api.find(["OPP-0000001"])["result"] == []


def test_deleting_a_missing_record_is_1013(api):
    answer = api.delete([key(99), key(1)])
    assert outcome(answer) == ["1013", "deleted"]
    assert answer["result"][0]["reasons"][0]["message"] == "Object not found"
    assert outcome(api.delete([key(1)])) == ["1013"]


def test_records_are_deleted_by_guid(api, sandbox):
    guids = [each["marketoGUID"] for each in sandbox.instance.opportunities()[:2]]
    keys = [{"marketoGUID": guid} for guid in guids]
    answer = api.delete(keys, deleteBy="idField")
    assert [each["marketoGUID"] for each in answer["result"]] == guids
    assert outcome(answer) == ["deleted", "deleted"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, "1002"),
        ({"externalOpportunityId": None}, "1002"),
        ({"externalOpportunityId": "OPP-0000001", "name": "x"}, "1003"),
    ],
)
def test_a_delete_with_more_than_the_key_is_1003(api, sandbox, record, code):
    assert outcome(api.delete([record])) == [code]
    assert sandbox.instance.counts()["opportunities"] == 12


def test_a_repeated_key_in_a_delete_is_1036(api):
    assert outcome(api.delete([key(1), key(1)])) == ["deleted", "1036"]


def test_an_unknown_action_or_dedupe_mode_refuses_the_call(api):
    answer = api.delete([key(1)], deleteBy="name")
    assert answer["errors"][0]["code"] == "1003"


def test_deleting_an_opportunity_deletes_its_roles(api, sandbox):
    had = [each for each in sandbox.instance.roles() if each["externalOpportunityId"].endswith("1")]
    assert had
    api.delete([key(1), key(11)])
    left = {each["externalOpportunityId"] for each in sandbox.instance.roles()}
    assert not left & {"OPP-0000001", "OPP-0000011"}


def test_refuse_delete_in_use_skips_with_1022(start, caller_of):
    api = caller_of(start(opportunities=4, leads=3, refuse_delete_in_use=True))
    # Every fourth seeded opportunity has no role.
    assert outcome(api.delete([key(1), key(4)])) == ["1022", "deleted"]


def test_the_id_of_a_deleted_record_is_not_reused(api, sandbox):
    guids = {each["marketoGUID"] for each in sandbox.instance.opportunities()}
    api.delete([key(number) for number in range(1, 13)])
    record = {"externalOpportunityId": "OPP-0000001", "name": "n"}
    (created,) = api.sync([record])["result"]
    assert created["status"] == "created"
    assert created["marketoGUID"] not in guids
