"""Malformed responses injected as faults: replaced, changed, cut or sent byte by byte."""

from __future__ import annotations

import socket

import pytest
import requests

from marketo_sandbox.server.alterations import apply_merge_patch
from tests.marketo_sandbox.helpers import codes
from tests.pipeline.processes import await_that

USAGE = "/rest/v1/stats/usage.json"
DESCRIBE = "/rest/v1/opportunities/describe.json"
DEAL = [{"externalOpportunityId": "a", "name": "n"}]
SYNC = {"operation": "sync opportunity"}
QUERY = {"operation": "query opportunity"}
BUSY = {"requestId": "1#2", "success": False, "errors": [{"code": "607", "message": "Enough"}]}


@pytest.fixture
def deals(api):
    api.sync([{"externalOpportunityId": each, "name": "n"} for each in ("a", "b")])
    return api


def on_the_wire(api, path=USAGE, seconds=5):
    """Return all bytes that the sandbox sends for one request until the connection is closed."""
    with socket.create_connection(("127.0.0.1", api.sandbox.port), timeout=seconds) as connection:
        token = api.session.headers["Authorization"]
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
        connection.sendall(head.encode())
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        return received


def test_answer_replaces_status_headers_and_body(api, sandbox):
    sandbox.fault("answer", times=1, status=503, headers={"Retry-After": "7"}, body=BUSY, **SYNC)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert answer.json() == BUSY
    assert sandbox.instance.opportunities() == []
    (call,) = sandbox.journal(operation="sync opportunity")
    assert (call["fault"], call["http_status"]) == ("answer", 503)


def test_answer_with_after_replaces_the_response_after_the_write(api, sandbox):
    sandbox.fault("answer", times=1, after=True, body="", **SYNC)
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": DEAL})
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(sandbox.instance.opportunities()) == 1


@pytest.mark.parametrize("body", ["null", '"text"', "[" * 5_000, "{", "<html></html>", "ü"])
def test_answer_sends_a_string_body_as_it_is(api, sandbox, body):
    sandbox.fault("answer", body=body)
    assert api.send("GET", USAGE).content == body.encode()


def test_answer_replaces_identity_if_the_rule_names_it(api, sandbox):
    sandbox.fault("answer", operation="identity", body={"access_token": 5})
    assert api.token() == {"access_token": 5}
    assert api.get(USAGE)["success"]


def test_merge_patches_the_response(deals, sandbox):
    sandbox.fault("patch", merge={"requestId": 5, "success": None, "warnings": ["w"]}, **QUERY)
    answer = deals.find(["a", "b"])
    assert (answer.pop("requestId"), answer.pop("warnings")) == (5, ["w"])
    assert list(answer) == ["result"]
    assert len(answer["result"]) == 2


def test_value_sets_a_member_to_null_or_replaces_it(deals, sandbox):
    merge = {"result": {"$value": None}, "requestId": {"$value": {"a": 1}}}
    sandbox.fault("patch", merge=merge, **QUERY)
    answer = deals.find(["a"])
    assert (answer["result"], answer["requestId"]) == (None, {"a": 1})


def test_each_patches_all_records_or_those_matching_where(deals, sandbox):
    sandbox.fault("patch", each={"marketoGUID": None}, where={"name": "n"}, times=1, **QUERY)
    answer = deals.find(["a", "b"], fields="name")
    assert ["marketoGUID" in each for each in answer["result"]] == [False, False]
    where = {"externalOpportunityId": "b"}
    sandbox.fault("patch", each={"externalOpportunityId": "B "}, where=where, **QUERY)
    answer = deals.find(["a", "b"])
    assert [each["externalOpportunityId"] for each in answer["result"]] == ["a", "B "]


def test_drop_and_add_change_the_records(deals, sandbox):
    extra = {"marketoGUID": "stranger"}
    sandbox.fault("patch", drop=True, where={"externalOpportunityId": "a"}, add=[extra], **QUERY)
    first, second = deals.find(["a", "b"])["result"]
    assert (first["externalOpportunityId"], second) == ("b", extra)


def test_at_selects_another_list_by_json_pointer(api, sandbox):
    at = "/result/0/fields"
    sandbox.fault("patch", at=at, each={"displayName": 5}, where={"name": "amount"}, times=1)
    fields = {each["name"]: each for each in api.get(DESCRIBE)["result"][0]["fields"]}
    assert (fields["amount"]["displayName"], fields["name"]["displayName"]) == (5, "Name")
    sandbox.fault("patch", at=at, add=[{"name": "amount", "dataType": "Currency"}])
    names = [each["name"] for each in api.get(DESCRIBE)["result"][0]["fields"]]
    assert names.count("amount") == 2


@pytest.mark.parametrize(
    ("value", "patch", "patched"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": "text"}, {"a": {"b": None, "c": {"d": 1}}}, {"a": {"c": {"d": 1}}}),
        ({"a": 1}, {"b": None}, {"a": 1}),
        ({"a": [1]}, {"a": [2, None]}, {"a": [2, None]}),
        ([1], {"a": 1}, {"a": 1}),
        ({"a": 1}, "text", "text"),
        ({"a": 1}, {"a": {"$value": None}}, {"a": None}),
    ],
)
def test_a_merge_patch_is_that_of_rfc_7396(value, patch, patched):
    assert apply_merge_patch(value, patch) == patched


def test_parameters_fill_changed_and_added_records(deals, sandbox):
    asked = {"$parameter": "filterValues"}
    sandbox.fault("patch", each={"asked": asked}, add=[{"added": [asked]}], **QUERY)
    first, second, added = deals.find(["a", "b"])["result"]
    assert (first["asked"], second["asked"], added) == ("a,b", "a,b", {"added": ["a,b"]})


def test_answer_without_a_body_is_empty(api, sandbox):
    sandbox.fault("answer")
    answer = api.send("GET", USAGE)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "at",
    ["/result/0", "/result/2", "/result/5", "/result/x/y", "/nothing", "/success", "/success/0"],
)
def test_at_with_an_unknown_pointer_changes_nothing(deals, sandbox, at):
    sandbox.fault("patch", at=at, drop=True, **QUERY)
    assert len(deals.find(["a", "b"])["result"]) == 2


def test_parameter_repeats_the_page_token_of_the_request(deals, sandbox):
    again = {"nextPageToken": {"$parameter": "nextPageToken"}, "moreResult": True}
    sandbox.fault("patch", merge=again, skip=1, **QUERY)
    token = deals.find(["a", "b"], batchSize="1")["nextPageToken"]
    for _ in range(3):
        assert deals.find(["a", "b"], batchSize="1", nextPageToken=token)["nextPageToken"] == token


def test_parameter_fills_the_body_of_answer(api, sandbox):
    body = {"success": True, "result": [{"asked": {"$parameter": "filterValues"}}]}
    sandbox.fault("answer", body=body, **QUERY)
    assert api.find(["a", "b"])["result"] == [{"asked": "a,b"}]


def test_a_code_fault_has_the_given_status_and_headers(api, sandbox):
    sandbox.fault("601", status=401, headers={"WWW-Authenticate": "Bearer"}, times=1)
    answer = api.send("GET", USAGE)
    assert (answer.status_code, codes(answer.json())) == (401, ["601"])
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_merge_turns_an_error_code_into_a_number(api, sandbox):
    sandbox.fault("606", at="/errors", each={"code": 606})
    assert codes(api.get(USAGE)) == [606]


def test_patch_leaves_a_body_that_is_not_json_unchanged(api, sandbox):
    sandbox.fault("html", merge={"success": True})
    assert api.send("GET", USAGE).text.startswith("<html>")


def test_headers_are_changed_or_removed(api, sandbox):
    sandbox.fault("patch", headers={"Date": None, "Content-Type": "text/plain"})
    answer = api.send("GET", USAGE)
    assert "Date" not in answer.headers
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["success"]


@pytest.mark.parametrize(("drip", "fast"), [("headers", b""), ("body", b"\r\n\r\n{")])
def test_drip_sends_the_response_byte_by_byte(start_held, caller_of, latency, drip, fast):
    api = caller_of(start_held())
    api.sandbox.fault("wire", drip=drip, seconds=60)
    latency.ended.set()
    received = on_the_wire(api)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    _, _, body = received.partition(b"\r\n\r\n")
    dripped = len(body) if drip == "body" else len(received)
    assert latency.seconds == 60 * dripped
    assert b'"success":true' in body
    assert fast in received


def test_cut_at_closes_the_connection_after_some_bytes(api, sandbox):
    sandbox.fault("wire", cut_at=30)
    received = on_the_wire(api)
    assert len(received) == 30
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    sandbox.clear_faults()
    sandbox.fault("wire", cut_at=0)
    with pytest.raises(requests.ConnectionError):
        api.get(USAGE)


def test_raw_sends_the_given_bytes(api, sandbox):
    sandbox.fault("wire", raw="HTTP/1.1 100 Continue\r\n\r\n\xff")
    assert on_the_wire(api) == b"HTTP/1.1 100 Continue\r\n\r\n\xff"


def test_drip_waits_after_each_byte_and_ends_at_a_disconnect(start_held, caller_of, latency):
    sandbox = start_held()
    caller = caller_of(sandbox)
    sandbox.fault("wire", drip="headers", seconds=60)
    with pytest.raises(TimeoutError):
        on_the_wire(caller, seconds=0.2)
    await_that(lambda: latency.seconds == 60)
    latency.ended.set()
    assert sandbox.journal(operation="usage")[0]["fault"] == "wire"


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "patch"},
        {"fault": "wire"},
        {"fault": "wire", "drip": "everything"},
        {"fault": "patch", "headers": {"Date": 5}},
        {"fault": "patch", "each": []},
        {"fault": "patch", "at": "result", "drop": True},
        {"fault": "answer", "status": 99},
    ],
)
def test_an_invalid_malformed_response_rule_is_refused(sandbox, rule):
    with pytest.raises(ValueError):
        sandbox.fault(**rule)
    assert sandbox.api.faults.to_list() == []


def test_fault_rules_are_accepted_as_json(api, sandbox):
    rule = {"fault": "patch", "operation": "usage", "merge": {"success": "yes"}}
    url = f"{sandbox.endpoint}/sandbox/faults"
    assert api.session.post(url, json=rule).json()[0]["merge"] == {"success": "yes"}
    assert api.get(USAGE)["success"] == "yes"
