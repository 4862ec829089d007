"""Test how a call is named in messages, and in which form it is sent."""

from __future__ import annotations

import pytest

from marketo_opps.call import Call

PATH = "/v1/opportunities.json"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call("GET", PATH), f"query GET {PATH}"),
        (Call("POST", PATH), f"query POST {PATH}"),
        (Call("POST", PATH, writes=True), f"sync POST {PATH}"),
        (
            Call("POST", "/v1/opportunities/delete.json", writes=True),
            "delete POST /v1/opportunities/delete.json",
        ),
    ],
)
def test_a_call_is_named_by_its_kind_and_path(call, name):
    assert call.name == name


@pytest.mark.parametrize(
    ("query", "target"),
    [((), f"/rest{PATH}"), ((("filterValues", "a b"),), f"/rest{PATH}?filterValues=a+b")],
)
def test_the_target_has_a_query_string_only_if_needed(query, target):
    assert Call("GET", PATH, query=query).target == target


@pytest.mark.parametrize(("size", "method"), [(1_000, "GET"), (1_001, "POST")])
def test_a_query_longer_than_a_thousand_bytes_is_sent_as_a_form(size, method):
    query = (("v", "x" * (size - len("v="))),)
    sent = Call("GET", PATH, query=query).as_post_if_long()
    assert sent.method == method
    if method == "POST":
        assert sent.target == f"/rest{PATH}?_method=GET"
        assert sent.body == b"v=" + b"x" * (size - 2)
        assert sent.headers == {"Content-Type": "application/x-www-form-urlencoded"}
