"""The journal of calls, and the requests and responses of the last ones."""

from __future__ import annotations

import json

import pytest
import requests


def test_the_journal_has_every_call_with_its_outcome(api, control, sandbox):
    sandbox.seed(3)
    api.find(["OPP-0000001", "OPP-0000009"], fields="name")
    api.sync([{"externalOpportunityId": "x", "name": "n"}, {"externalOpportunityId": "y"}])
    calls = control("GET", "journal", since=1).json()["calls"]
    query, sync = calls
    assert [each["seq"] for each in calls] == [2, 3]
    assert (query["operation"], query["asked"], query["answered"]) == ("query opportunity", 2, 1)
    assert query["parameters"]["fields"] == "name"
    assert query["outcome"] == "ok"
    assert sync["keys"] == ["x", "y"]
    assert sync["statuses"] == {"created": 1, "skipped": 1}
    assert sync["reasons"] == {"1002": 1}
    assert query["started"] <= query["ended"] <= sync["started"] <= sync["ended"]
    assert query["ended_at"] - query["started_at"] < 5
    assert sync["request_id"]
    assert sync["user_agent"].startswith("python-requests")
    assert control("GET", "journal", limit=1).json()["calls"] == calls[1:]


def test_the_journal_is_filtered_by_the_name_of_an_operation(api, control, sandbox):
    api.get("/rest/v1/stats/usage.json")
    (called,) = control("GET", "journal", operation="usage").json()["calls"]
    assert sandbox.journal(operation="usage") == [called]
    with pytest.raises(ValueError, match="operation must be one of identity, describe opp"):
        sandbox.journal(operation="usages")


def test_the_journal_drops_old_calls_but_counts_all(start, caller_of):
    sandbox = start(journal_size=3)
    caller = caller_of(sandbox)
    for _ in range(5):
        caller.get("/rest/v1/stats/usage.json")
    assert [each["seq"] for each in sandbox.journal()] == [4, 5, 6]
    assert sandbox.api.journal.calls == 6
    assert sandbox.api.journal.outcomes == {"ok": 6}


def test_exchange_returns_request_and_response(api, control, sandbox):
    api.sync([{"externalOpportunityId": "x", "name": "n"}])
    sandbox.fault("cut_before", times=1)
    with pytest.raises(requests.ConnectionError):
        api.get("/rest/v1/stats/usage.json", a="b c")
    told = control("GET", "exchange", call=2).json()
    assert told["request"]["target"] == "/rest/v1/opportunities.json"
    assert json.loads(told["request"]["body"])["input"] == [
        {"externalOpportunityId": "x", "name": "n"}
    ]
    assert (told["response"]["status"], json.loads(told["response"]["body"])["success"]) == (
        200,
        True,
    )
    cut = control("GET", "exchange", call=3).json()
    assert (cut["request"]["target"], cut["response"]) == (
        "/rest/v1/stats/usage.json?a=b+c",
        None,
    )


def test_exchanges_contain_no_secret(api, control, sandbox):
    form = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    form["grant_type"] = "client_credentials"
    token = api.send("POST", "/identity/oauth/token", data=form).json()["access_token"]
    api.find(["a"])
    told = [control("GET", "exchange", call=number).text for number in (1, 2, 3)]
    assert sandbox.client_id in told[0]
    assert not [each for each in told if sandbox.client_secret in each or token in each]


def test_long_bodies_are_truncated_and_old_exchanges_dropped(api, control, sandbox):
    api.sync([{"externalOpportunityId": f"x{n}", "name": "n" * 200} for n in range(300)])
    request = control("GET", "exchange", call=2).json()["request"]
    assert (len(request["body"]), request["body_bytes"]) == (64_000, 64_000)
    assert request["bytes"] > 70_000
    for _ in range(100):
        api.get("/rest/v1/stats/usage.json")
    refused = control("GET", "exchange", call=2)
    reason = "call 2 is not among the last 100 calls, for which request and response are kept\n"
    assert (refused.status_code, refused.text) == (400, reason)
    assert control("GET", "exchange", call=3).status_code == 200
