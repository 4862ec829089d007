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


def test_a_code_on_order_strikes_as_often_as_told_after_those_that_pass(api, sandbox):
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


def test_a_code_strikes_before_the_work_unless_told_otherwise(api, sandbox):
    sandbox.fault("611", times=1, **SYNC)
    assert codes(api.sync(DEAL)) == ["611"]
    assert sandbox.instance.opportunities() == []
    sandbox.fault("611", times=1, after=True, **SYNC)
    assert codes(api.sync(DEAL)) == ["611"]
    assert len(sandbox.instance.opportunities()) == 1


@pytest.mark.parametrize(("fault", "written"), [("cut_before", 0), ("cut_after_write", 1)])
def test_a_connection_is_cut_before_or_after_the_write_was_done(api, sandbox, fault, written):
    sandbox.fault(fault, times=1, **SYNC)
    with pytest.raises(requests.ConnectionError):
        api.sync(DEAL)
    assert len(sandbox.instance.opportunities()) == written
    call = sandbox.journal(operation="sync opportunity")[0]
    assert (call["outcome"], call["http_status"], call["fault"]) == ("cut", None, fault)
    assert api.sync(DEAL)["success"]


def test_a_cut_hides_a_refusal_too(api, sandbox):
    sandbox.fault("cut_after_write", times=1, **SYNC)
    with pytest.raises(requests.ConnectionError):
        api.sync(DEAL, action="upsert")


def test_a_body_is_truncated_after_the_write_was_done(api, sandbox):
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
def test_a_proxy_answers_with_html(api, sandbox, rule, status):
    sandbox.fault(times=1, **rule)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")
    assert sandbox.instance.opportunities() == []


def test_an_http_error_may_come_after_the_write(api, sandbox):
    sandbox.fault("http_502", times=1, after=True, **SYNC)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert answer.status_code == 502
    assert len(sandbox.instance.opportunities()) == 1


def test_a_slow_call_takes_longer_and_is_right(start_held, caller_of, latency):
    caller = caller_of(start_held())
    caller.sandbox.fault("slow", seconds=30, times=1)
    latency.ended.set()
    assert caller.get(USAGE)["success"]
    assert latency.seconds == pytest.approx(30)


def test_a_slow_call_is_in_flight_all_the_while(start_held, caller_of, latency):
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


def test_a_connection_kept_alive_is_dropped_after_the_answer(api, sandbox):
    sandbox.fault("drop_keep_alive", times=1)
    first = api.send("GET", USAGE, stream=True)
    connection = first.raw.connection.sock
    assert first.json()["success"]
    connection.settimeout(5)
    assert connection.recv(1) == b""
    assert api.get(USAGE)["success"]


def test_tokens_expire_on_order(api, sandbox):
    sandbox.fault("expire_tokens", times=1)
    assert codes(api.get(USAGE)) == ["602"]
    api.authenticate()
    assert api.get(USAGE)["success"]


def test_page_tokens_expire_on_order(api, sandbox):
    sandbox.seed(3)
    ids = ["OPP-0000001", "OPP-0000002"]
    token = api.find(ids, batchSize="1")["nextPageToken"]
    sandbox.fault("expire_page_tokens", times=1)
    assert codes(api.find(ids, batchSize="1", nextPageToken=token)) == ["1003"]


def test_identity_is_struck_only_when_its_path_is_named(api, sandbox):
    sandbox.fault("http_503", times=1)
    assert "access_token" in api.token()
    sandbox.clear_faults()
    sandbox.fault("http_503", times=1, path="/identity/*")
    with pytest.raises(requests.JSONDecodeError):
        api.token()


def test_rules_look_at_path_method_and_operation(api, sandbox):
    sandbox.fault("713", method="POST", path="/rest/v1/opportunities.json")
    path = "/rest/v1/opportunities.json"
    form = {"filterType": "dedupeFields", "filterValues": "a"}
    assert api.send("POST", f"{path}?_method=GET", data=form).json()["success"]
    assert codes(api.sync(DEAL)) == ["713"]
    assert api.get(USAGE)["success"]


def test_probability_strikes_about_so_often_and_the_same_again_from_the_same_seed():
    def run():
        faults = FaultInjector(random.Random(5))
        faults.add(fault="606", probability=0.3)
        return [faults.strike("GET", USAGE, "usage") is not None for _ in range(1000)]

    assert run() == run()
    assert 250 < sum(run()) < 350


def test_the_first_rule_that_strikes_decides():
    faults = FaultInjector(random.Random(5))
    faults.add(fault="606", times=1)
    faults.add(fault="713")
    struck = [faults.strike("GET", USAGE, "usage").fault for _ in range(3)]
    assert struck == ["606", "713", "713"]


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "explode"},
        {"path": "/rest/*"},
        {"fault": "606", "often": 1},
        {"fault": "606", "probability": 2},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule):
    with pytest.raises(ValueError):
        FaultRule.from_mapping(rule)
