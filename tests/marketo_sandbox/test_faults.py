"""Injected faults: error codes, cut connections, slow calls, expired tokens."""

from __future__ import annotations

import random
import threading

import pytest
import requests

from marketo_sandbox.server.faults import FaultInjector, FaultRule
from tests.marketo_sandbox.helpers import codes
from tests.pipeline.processes import await_that

USAGE = "/rest/v1/stats/usage.json"
SYNC = {"operation": "sync opportunity"}
DEAL = [{"externalOpportunityId": "a", "name": "n"}]


def test_a_code_fault_obeys_times_and_skip(api, sandbox):
    sandbox.fault("606", skip=2, times=2)
    outcomes = [codes(api.get(USAGE)) for _ in range(6)]
    assert outcomes == [[], [], ["606"], ["606"], [], []]
    assert [each["fault"] for each in sandbox.journal(operation="usage")] == [
        None,
        None,
        "606",
        "606",
        None,
        None,
    ]


def test_a_code_fault_is_injected_before_or_after_processing(api, sandbox):
    sandbox.fault("611", times=1, **SYNC)
    assert codes(api.sync(DEAL)) == ["611"]
    assert sandbox.instance.opportunities() == []
    sandbox.fault("611", times=1, after=True, **SYNC)
    assert codes(api.sync(DEAL)) == ["611"]
    assert len(sandbox.instance.opportunities()) == 1


@pytest.mark.parametrize(("fault", "written"), [("cut_before", 0), ("cut_after_write", 1)])
def test_cut_before_prevents_the_write_and_cut_after_does_not(api, sandbox, fault, written):
    sandbox.fault(fault, times=1, **SYNC)
    with pytest.raises(requests.ConnectionError):
        api.sync(DEAL)
    assert len(sandbox.instance.opportunities()) == written
    call = sandbox.journal(operation="sync opportunity")[0]
    assert (call["outcome"], call["http_status"], call["fault"]) == ("cut", None, fault)
    assert api.sync(DEAL)["success"]


def test_cut_after_write_hides_a_refusal_too(api, sandbox):
    sandbox.fault("cut_after_write", times=1, **SYNC)
    with pytest.raises(requests.ConnectionError):
        api.sync(DEAL, action="upsert")


def test_truncated_body_cuts_the_response_after_the_write(api, sandbox):
    sandbox.fault("truncated_body", times=1, **SYNC)
    with pytest.raises(requests.RequestException):
        api.sync(DEAL)
    assert len(sandbox.instance.opportunities()) == 1


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"fault": "html"}, 502),
        ({"fault": "html", "status": 200}, 200),
        ({"fault": "http_500"}, 500),
        ({"fault": "http_502"}, 502),
        ({"fault": "http_503"}, 503),
        ({"fault": "http_504"}, 504),
    ],
)
def test_http_faults_respond_with_html(api, sandbox, rule, status):
    sandbox.fault(times=1, **rule)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")
    assert sandbox.instance.opportunities() == []


def test_an_http_fault_may_follow_the_write(api, sandbox):
    sandbox.fault("http_502", times=1, after=True, **SYNC)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert answer.status_code == 502
    assert len(sandbox.instance.opportunities()) == 1


def test_slow_delays_an_otherwise_normal_response(start_held, caller_of, latency):
    caller = caller_of(start_held())
    caller.sandbox.fault("slow", seconds=30, times=1)
    latency.ended.set()
    assert caller.get(USAGE)["success"]
    assert latency.seconds == pytest.approx(30)


def test_a_slow_call_counts_as_in_flight(start_held, caller_of, latency):
    sandbox = start_held(limits={"concurrent_calls": 1})
    slow, other = caller_of(sandbox), caller_of(sandbox)
    sandbox.fault("slow", seconds=30, times=1)
    thread = threading.Thread(target=slow.get, args=(USAGE,))
    thread.start()
    await_that(lambda: sandbox.instance.limits.in_flight)
    assert codes(other.get(USAGE)) == ["615"]
    latency.ended.set()
    thread.join()
    assert codes(other.get(USAGE)) == []


def test_drop_keep_alive_closes_the_connection_after_the_response(api, sandbox):
    sandbox.fault("drop_keep_alive", times=1)
    first = api.send("GET", USAGE, stream=True)
    connection = first.raw.connection.sock
    assert first.json()["success"]
    connection.settimeout(5)
    assert connection.recv(1) == b""
    assert api.get(USAGE)["success"]


def test_expire_tokens_expires_the_access_token(api, sandbox):
    sandbox.fault("expire_tokens", times=1)
    assert codes(api.get(USAGE)) == ["602"]
    api.authenticate()
    assert api.get(USAGE)["success"]


def test_expire_page_tokens_expires_all_page_tokens(api, sandbox):
    sandbox.seed(3)
    ids = ["OPP-0000001", "OPP-0000002"]
    token = api.find(ids, batchSize="1")["nextPageToken"]
    sandbox.fault("expire_page_tokens", times=1)
    assert codes(api.find(ids, batchSize="1", nextPageToken=token)) == ["1003"]


def test_identity_gets_a_fault_only_if_the_rule_names_its_path(api, sandbox):
    sandbox.fault("http_503", times=1)
    assert "access_token" in api.token()
    sandbox.clear_faults()
    sandbox.fault("http_503", times=1, path="/identity/*")
    with pytest.raises(requests.JSONDecodeError):
        api.token()


def test_fault_rules_match_path_method_and_operation(api, sandbox):
    sandbox.fault("713", method="POST", path="/rest/v1/opportunities.json")
    path = "/rest/v1/opportunities.json"
    form = {"filterType": "dedupeFields", "filterValues": "a"}
    assert api.send("POST", f"{path}?_method=GET", data=form).json()["success"]
    assert codes(api.sync(DEAL)) == ["713"]
    assert api.get(USAGE)["success"]


def test_probability_injects_the_same_faults_for_the_same_seed():
    def run():
        faults = FaultInjector(random.Random(5))
        faults.add(fault="606", probability=0.3)
        return [faults.strike("GET", USAGE, "usage") is not None for _ in range(1000)]

    assert run() == run()
    assert 250 < sum(run()) < 350


def test_the_first_matching_fault_rule_is_applied():
    faults = FaultInjector(random.Random(5))
    faults.add(fault="606", times=1)
    faults.add(fault="713")
    struck = [faults.strike("GET", USAGE, "usage").fault for _ in range(3)]
    assert struck == ["606", "713", "713"]


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"fault": "explode"}, "'explode'.* answer, cut_after_write, .* http_500, .* wire$"),
        ({"times": 1}, "'fault'"),
        ({"fault": "606", "offen": 1, "lng": 2}, "lng, offen"),
        ({"fault": "patch", "at": "result", "drop": True}, "at must .* 'result'"),
        ({"fault": "patch"}, "'patch'.* merge, each, drop, add, status, headers$"),
        ({"fault": "wire"}, "'wire'.* raw, drip, cut_at$"),
    ],
)
def test_the_refusal_of_a_fault_rule_names_its_error(rule, named):
    with pytest.raises(ValueError, match=named):
        FaultRule.from_mapping(rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "explode"},
        {"path": "/rest/*"},
        {"fault": "606", "often": 1},
        {"fault": "606", "probability": 2},
        {"fault": "606", "operation": "sync opportunities"},
        {"fault": "606", "method": "get"},
    ],
)
def test_an_invalid_fault_rule_is_refused(rule):
    with pytest.raises(ValueError):
        FaultRule.from_mapping(rule)
