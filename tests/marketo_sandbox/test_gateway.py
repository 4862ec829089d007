"""Checks before an operation: sizes, paths, content types, permissions, envelope."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.marketo_sandbox.helpers import codes


def test_a_body_over_1_mb_is_413(api):
    body = json.dumps({"input": [{"externalOpportunityId": "a", "name": "x" * 1_000_000}]})
    answer = api.send(
        "POST",
        "/rest/v1/opportunities.json",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413


def test_a_body_of_exactly_1_mb_is_accepted(api, sandbox):
    head, tail = '{"input":[{"externalOpportunityId":"a","name":"n","notes":"', '"}]}'
    body = head + "x" * (1_000_000 - len(head) - len(tail)) + tail
    answer = api.send(
        "POST",
        "/rest/v1/opportunities.json",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert len(body) == 1_000_000
    assert answer.json()["result"][0]["reasons"][0]["code"] == "1003"


def test_a_uri_over_8_kb_is_414_unless_sent_by_post(api):
    values = ",".join(f"{number:036d}" for number in range(300))
    parameters = {"filterType": "idField", "filterValues": values}
    path = "/rest/v1/opportunities.json"
    assert api.send("GET", path, params=parameters).status_code == 414
    assert api.send("POST", f"{path}?_method=GET", data=parameters).json()["success"]


def test_a_double_slash_in_the_path_is_404(api):
    answer = api.send("GET", "//rest/v1/stats/usage.json")
    assert answer.status_code == 404
    assert "json" not in answer.headers["Content-Type"]
    assert api.send("GET", "/rest//v1/stats/usage.json").status_code == 404


def test_an_unknown_path_is_610_and_a_problem(api, sandbox):
    assert codes(api.get("/rest/v1/opportunity.json")) == ["610"]
    assert sandbox.acknowledge_problems() == ["unknown route GET /rest/v1/opportunity.json"]
    # 610 is not among the codes that Adobe marks as not counted.
    assert sandbox.instance.daily_usage.calls_today() == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/rest/v1/opportunities/delete.json"),
        ("POST", "/rest/v1/opportunities/describe.json"),
        ("DELETE", "/rest/v1/opportunities.json"),
        ("POST", "/rest/v1/activities.json"),
    ],
)
def test_an_undocumented_method_is_605(api, method, path):
    assert codes(api.send(method, path, json={}).json()) == ["605"]


def test_a_sync_without_json_content_type_is_612(api):
    answer = api.send("POST", "/rest/v1/opportunities.json", data='{"input": []}')
    assert codes(answer.json()) == ["612"]


@pytest.mark.parametrize("body", ["{", "[1]", '"text"', b"\xff", '{"a": NaN}'])
def test_a_body_that_is_not_a_json_object_is_609(api, body):
    answer = api.send(
        "POST",
        "/rest/v1/opportunities.json",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert codes(answer.json()) == ["609"]


@pytest.mark.parametrize(
    "body",
    ['{"a": 1e99999999999999999999}', '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}"],
    ids=["an exponent too long", "nested too deep"],
)
def test_json_nested_too_deep_or_with_a_huge_exponent_is_609(api, body):
    headers = {"Content-Type": "application/json"}
    answer = api.send("POST", "/rest/v1/opportunities.json", data=body, headers=headers)
    assert codes(answer.json()) == ["609"]


def test_responses_over_1_kb_are_compressed_if_accepted(api):
    path = "/rest/v1/opportunities/describe.json"
    packed = api.send("GET", path, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.raw.read()))["success"]
    plain = api.send("GET", path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    short = api.send("GET", "/rest/v1/stats/usage.json", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/rest/v1/opportunities/describe.json", "Read-Only Opportunity"),
        ("/rest/v1/opportunities/roles/describe.json", "Read-Write Opportunity"),
        ("/rest/v1/opportunities/schema/fields.json", "Read-Write Schema Standard Field"),
        ("/rest/v1/opportunities/schema/fields/name.json", "Read-Write Schema Custom Field"),
        ("/rest/v1/activities/types.json", "Read-Only Activity"),
    ],
)
def test_a_call_without_one_of_its_permissions_is_603(start, caller_of, path, permission):
    without = caller_of(start(permissions=frozenset()))
    assert codes(without.get(path)) == ["603"]
    allowed = caller_of(start(permissions=frozenset({permission})))
    assert allowed.get(path)["success"]


def test_reading_permission_does_not_allow_writing(start, caller_of):
    caller = caller_of(start(permissions=frozenset({"Read-Only Opportunity"})))
    record = {"externalOpportunityId": "a", "name": "n"}
    assert codes(caller.sync([record])) == ["603"]
    assert codes(caller.delete([{"externalOpportunityId": "a"}])) == ["603"]
    assert caller.find(["a"])["success"]


def test_usage_needs_no_permission(start, caller_of):
    caller = caller_of(start(permissions=frozenset()))
    assert caller.get("/rest/v1/stats/usage.json")["success"]


def test_crm_sync_read_only_refuses_writes_and_all_role_calls(start, caller_of):
    caller = caller_of(start(crm_sync="read-only", opportunities=3))
    assert len(caller.find(["OPP-0000001"])["result"]) == 1
    assert codes(caller.sync([{"externalOpportunityId": "a", "name": "n"}])) == ["1018"]
    assert codes(caller.delete([{"externalOpportunityId": "OPP-0000001"}])) == ["1018"]
    assert codes(caller.get("/rest/v1/opportunities/roles/describe.json")) == ["1018"]


def test_crm_sync_disabled_refuses_all_opportunity_calls(start, caller_of):
    caller = caller_of(start(crm_sync="disabled"))
    assert codes(caller.get("/rest/v1/opportunities/describe.json")) == ["1018"]
    assert codes(caller.get("/rest/v1/opportunities/schema/fields.json")) == ["1018"]
    assert caller.get("/rest/v1/activities/types.json")["success"]


def test_members_have_the_order_of_recorded_responses(api, sandbox):
    sandbox.seed(3)
    page = api.find(["OPP-0000001", "OPP-0000002"], batchSize="1")
    assert list(page) == ["requestId", "result", "success", "nextPageToken", "moreResult"]
    refused = api.find([""])
    assert list(refused) == ["requestId", "success", "errors"]


def test_headers_match_recorded_responses(api):
    answer = api.send("GET", "/rest/v1/opportunities/describe.json")
    assert (answer.headers["Server"], answer.headers["Vary"]) == ("nginx", "Accept-Encoding")
    assert answer.headers["Set-Cookie"].startswith("BIGipServer")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in answer.headers
    short = api.send("GET", "/rest/v1/stats/usage.json")
    assert int(short.headers["Content-Length"]) == len(short.content)


def test_every_response_has_a_unique_request_id(api):
    answers = [api.get("/rest/v1/stats/usage.json") for _ in range(3)]
    answers.append(api.get("/rest/v1/opportunities.json"))
    assert len({answer["requestId"] for answer in answers}) == 4
    assert answers[-1]["success"] is False
