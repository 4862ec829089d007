"""An HTTP answer in, its result or the right error out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from marketo_opps.envelope import Envelope, read_record_results, read_response
from marketo_opps.errors import (
    ConnectionLostError,
    RequestRefusedError,
    ServerError,
    TooLargeError,
    UnexpectedResponseError,
)
from marketo_opps.models import Reason
from marketo_opps.transport import HttpResponse

NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)


def answer(body, status=200, content_type="application/json"):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, NOW, text, content_type)


def test_absent_members_are_filled_in():
    read = read_response("GET /x", answer({"success": True}))
    assert read == Envelope([], None, more=None, next_page_token=None, warnings=())


def test_everything_that_an_envelope_may_hold_is_kept():
    members = {
        "requestId": "r#1",
        "success": True,
        "result": [{"a": 1}],
        "moreResult": True,
        "nextPageToken": "next",
        "warnings": ["careful"],
    }
    read = read_response("GET /x", answer(members))
    assert read == Envelope([{"a": 1}], "r#1", True, "next", ("careful",))
    page = read.page("GET /x")
    assert (page.records, page.more, page.next_page_token) == ([{"a": 1}], True, "next")
    assert (page.request_id, page.call) == ("r#1", "GET /x")


@pytest.mark.parametrize("members", [[], {}, {"success": "true"}, {"result": []}, 1, None])
def test_json_that_is_no_envelope_is_unexpected(members):
    with pytest.raises(UnexpectedResponseError, match="JSON, but not Marketo's"):
        read_response("GET /x", answer(members))


@pytest.mark.parametrize("body", [b"", b" \n", b'{"success":true,"result":[{"a":', b'{"succ'])
def test_half_an_answer_is_a_lost_connection(body):
    with pytest.raises(ConnectionLostError, match=rf"breaks off after {len(body)} bytes"):
        read_response("GET /x", answer(body))


def test_html_instead_of_json_is_quoted_in_one_short_line():
    # In Latin-1: what stands between need not know UTF-8.
    page = b"<html>\n  <body>Please log in</body>" + b"x" * 1000 + b"\xe9"
    with pytest.raises(UnexpectedResponseError) as caught:
        read_response("GET /x", answer(page, content_type="text/html"))
    text = str(caught.value)
    assert "is HTML instead of JSON ('<html> <body>Please log in</body>xxx" in text
    assert "login page" in text
    assert len(text) < 350


@pytest.mark.parametrize(
    ("content_type", "told"), [("text/plain", "text/plain"), ("", "something")]
)
def test_text_instead_of_json_is_called_by_its_content_type(content_type, told):
    with pytest.raises(UnexpectedResponseError, match=f"is {told} instead of JSON"):
        read_response("GET /x", answer(b"hello", content_type=content_type))


@pytest.mark.parametrize(
    ("status", "told"),
    [(301, "301 Moved Permanently"), (401, "401 Unauthorized"), (404, "404"), (499, "499")],
)
def test_an_http_status_that_marketo_does_not_send_is_unexpected(status, told):
    with pytest.raises(UnexpectedResponseError, match=f"HTTP {told}.*'endpoint'"):
        read_response("GET /x", answer({}, status=status))


def test_a_5xx_is_the_servers_error_whatever_its_body():
    with pytest.raises(ServerError, match="GET /x was HTTP 503 Service Unavailable"):
        read_response("GET /x", answer({"success": True}, status=503))


@pytest.mark.parametrize("status", [413, 414])
def test_a_call_that_is_too_large_is_told_by_its_status(status):
    with pytest.raises(TooLargeError) as caught:
        read_response("POST /x", answer(b"<html>", status, "text/html"), permission=None)
    assert caught.value.call == "POST /x"
    assert [why.code for why in caught.value.reasons] == [str(status)]
    assert all(why.message and why.message != "None" for why in caught.value.reasons)


@pytest.mark.parametrize("errors", [None, [], "no list", ["no object"]])
def test_a_refusal_without_a_reason_is_still_a_refusal(errors):
    with pytest.raises(RequestRefusedError, match="none no reason was given") as caught:
        read_response("GET /x", answer({"success": False, "errors": errors}))
    assert caught.value.request_id is None


def test_a_result_that_is_no_list_counts_as_none():
    assert read_response("GET /x", answer({"success": True, "result": {"a": 1}})).result == []


def envelope(*items):
    return Envelope(list(items), "r#1", more=False, next_page_token=None, warnings=())


def test_record_results_are_matched_by_seq_not_by_position():
    results = read_record_results(
        "POST /x",
        envelope(
            {"seq": 1, "status": "updated", "marketoGUID": "g1 "},
            {"seq": 0, "status": "created", "marketoGUID": "g0"},
        ),
        sent=2,
    )
    assert [(each.seq, each.status, each.marketo_guid) for each in results] == [
        (0, "created", "g0"),
        (1, "updated", "g1"),
    ]
    assert all(each.accepted for each in results)


def test_a_skipped_record_brings_all_its_reasons():
    reasons = [{"code": 1004, "message": "not found"}, {"code": "1003", "message": "bad"}]
    (result,) = read_record_results(
        "POST /x", envelope({"seq": 0, "status": "skipped", "reasons": reasons}), sent=1
    )
    assert not result.accepted
    assert result.marketo_guid is None
    assert result.reasons == (Reason("1004", "not found"), Reason("1003", "bad"))


@pytest.mark.parametrize("status", ["skipped", "failed", "queued"])
def test_a_status_that_is_no_success_is_not_accepted_and_has_a_reason(status):
    (result,) = read_record_results("POST /x", envelope({"seq": 0, "status": status}), sent=1)
    assert not result.accepted
    assert status in str(result.reasons[0])


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"seq": 0, "status": "created"}],
        [{"seq": 0, "status": "created"}] * 2,
        [{"seq": 0, "status": "created"}, {"seq": 2, "status": "created"}],
        [{"seq": number, "status": "created"} for number in range(3)],
        [{"seq": 0, "status": "created"}, {"seq": 1}],
        [{"seq": 0, "status": "created"}, "created"],
        [{"seq": 0, "status": "created"}, {"seq": "first", "status": "created"}],
        [{"seq": 0, "status": "created"}, {"seq": [1], "status": "created"}],
    ],
)
def test_results_that_do_not_match_the_input_one_by_one_are_not_trusted(items):
    with pytest.raises(UnexpectedResponseError, match=r"2 records.*r#1.*Run again") as caught:
        read_record_results("POST /x", envelope(*items), sent=2)
    assert caught.value.ambiguous


@pytest.mark.parametrize("seq", [{}, {"seq": None}])
def test_results_without_seq_are_in_the_order_of_the_input(seq):
    results = read_record_results(
        "POST /x", envelope({"status": "created", **seq}, {"status": "deleted", **seq}), sent=2
    )
    assert [each.status for each in results] == ["created", "deleted"]


def test_a_seq_may_be_text_and_a_guid_a_number():
    results = read_record_results(
        "POST /x",
        envelope(
            {"seq": "1", "status": "updated", "marketoGUID": 5}, {"seq": "0", "status": "updated"}
        ),
        sent=2,
    )
    assert [(each.seq, each.marketo_guid) for each in results] == [(0, None), (1, "5")]
