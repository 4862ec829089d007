"""Tests of an instance without roles."""

from __future__ import annotations

import pytest

from marketo_opps import MarketoError
from tests.tap_marketo_opps.helpers import by_filter

OPERATION = "describe role"
NOT_THERE = [{"status": 404, "body": "<html>not here"}, {"status": 405, "body": ""}]


def _refusal(code):
    body = {"requestId": "r#1", "success": False, "errors": [{"code": code, "message": "No."}]}
    return {"status": 200, "body": body}


@pytest.fixture
def one(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=3, leads=3, limits={"enforced": False})


@pytest.mark.parametrize(
    "answer",
    [
        *map(_refusal, ("610", "1018", "702", "709", "1003", "1004", "1011", "1013")),
        *NOT_THERE,
    ],
)
def test_a_permanent_refusal_means_no_roles(one, sync, caplog, answer):
    one.fault("answer", operation=OPERATION, **answer)
    output = sync(by_filter(one))
    assert len(output.records()) == 3
    assert "opportunity_roles" not in {each.get("stream") for each in output.messages}
    assert "Without roles, opportunities can only be found with find_by: filter" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        *map(_refusal, ("603", "607", "608", "601", "12345")),
        {"status": 503, "body": ""},
        {"status": 403, "body": "<html>no"},
        {"status": 200, "body": "<html>log in"},
        {"status": 200, "body": {"requestId": "r#1", "success": True, "result": []}},
        {"status": 200, "body": {"requestId": "r#1", "success": False, "errors": []}},
    ],
)
def test_what_is_no_refusal_of_roles_ends_the_run(one, sync, answer):
    one.fault("answer", operation=OPERATION, **answer)
    with pytest.raises(MarketoError):
        sync(by_filter(one, max_retry_seconds=0))
