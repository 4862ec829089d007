"""Reading an HTTP response: its result, or the right error."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from marketo_opps.envelope import Envelope, read_response
from marketo_opps.errors import (
    AccessDeniedError,
    ConnectionLostError,
    DailyQuotaError,
    DataError,
    RateLimitError,
    Recovery,
    RequestRefusedError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    TooLargeError,
    TransientError,
    UnexpectedResponseError,
)
from marketo_opps.transport import HttpResponse

NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)


def answer(body, status=200, content_type="application/json"):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, NOW, text, content_type)


def test_absent_members_have_defaults():
    read = read_response("GET /x", answer({"success": True}))
    assert read == Envelope([], None, more=None, next_page_token=None, warnings=())


def test_every_member_of_an_envelope_is_kept():
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
def test_json_other_than_an_envelope_is_unexpected(members):
    with pytest.raises(UnexpectedResponseError, match="JSON, but not Marketo's"):
        read_response("GET /x", answer(members))


@pytest.mark.parametrize("body", [b"", b" \n", b'{"success":true,"result":[{"a":', b'{"succ'])
def test_an_incomplete_response_is_a_lost_connection(body):
    with pytest.raises(ConnectionLostError, match=rf"it ends after {len(body)} bytes"):
        read_response("GET /x", answer(body))


def test_html_instead_of_json_is_quoted_in_one_short_line():
    # In Latin-1, because a proxy may use another encoding than UTF-8.
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
def test_text_instead_of_json_is_named_by_its_content_type(content_type, told):
    with pytest.raises(UnexpectedResponseError, match=f"is {told} instead of JSON"):
        read_response("GET /x", answer(b"hello", content_type=content_type))


@pytest.mark.parametrize(
    ("status", "told"),
    [(301, "301 Moved Permanently"), (401, "401 Unauthorized"), (404, "404"), (499, "499")],
)
def test_an_http_status_that_marketo_does_not_send_is_unexpected(status, told):
    with pytest.raises(UnexpectedResponseError, match=f"HTTP {told}.*'endpoint'"):
        read_response("GET /x", answer({}, status=status))


def test_a_5xx_is_a_server_error_with_any_body():
    with pytest.raises(ServerError, match="GET /x was HTTP 503 Service Unavailable"):
        read_response("GET /x", answer({"success": True}, status=503))


@pytest.mark.parametrize("status", [413, 414])
def test_a_too_large_call_is_recognized_by_its_status(status):
    with pytest.raises(TooLargeError) as caught:
        read_response("POST /x", answer(b"<html>", status, "text/html"), permissions=())
    assert caught.value.call == "POST /x"
    assert [why.code for why in caught.value.reasons] == [str(status)]
    assert all(why.message and why.message != "None" for why in caught.value.reasons)


@pytest.mark.parametrize("errors", [None, [], "", {}])
def test_a_refusal_without_a_reason_is_an_error(errors):
    with pytest.raises(RequestRefusedError, match="no reason was given") as caught:
        read_response("GET /x", answer({"success": False, "errors": errors}))
    assert caught.value.request_id is None


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"code": 610, "message": "gone"}], "610 gone"),
        ([{"code": " 610 ", "message": "gone"}], "610 gone"),
        ([{"code": 610.0, "message": "gone"}], "610 gone"),
        ({"code": "610", "message": "gone"}, "610 gone"),
        ([{"message": "gone"}], "gone"),
        ([{"code": None, "message": None}], "no message"),
        (["gone"], "gone"),
        ("gone", "gone"),
    ],
)
def test_reasons_of_any_form_are_shown(errors, said):
    with pytest.raises(RequestRefusedError, match=f": {said} "):
        read_response("GET /x", answer({"success": False, "errors": errors, "requestId": "r#1"}))


def test_a_request_id_may_be_a_number():
    with pytest.raises(RequestRefusedError, match="requestId 17"):
        read_response("GET /x", answer({"success": False, "requestId": 17}))
    assert read_response("GET /x", answer({"success": True, "requestId": 17})).request_id == "17"


@pytest.mark.parametrize("result", [{}, {"a": 1}, "text", 5, False])
def test_a_result_that_is_not_a_list_is_unexpected(result):
    with pytest.raises(UnexpectedResponseError, match=r"a result that is not a list \(requestId r"):
        read_response("GET /x", answer({"success": True, "result": result, "requestId": "r"}))


def test_warnings_may_be_objects():
    warnings = [{"code": "1", "message": "careful"}, "look out"]
    read = read_response("GET /x", answer({"success": True, "warnings": warnings}))
    assert read.warnings == ("1 careful", "look out")


def refusal(code, **members):
    errors = [{"code": code, "message": "said Marketo"}]
    return {"requestId": "r#1", "success": False, "errors": errors, **members}


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "601", TokenRefusedError),
        (403, "603", AccessDeniedError),
        (404, "610", RequestRefusedError),
        (429, "606", RateLimitError),
        (503, "607", DailyQuotaError),
        (500, "606", RateLimitError),
        (503, "608", TransientError),
        (302, "1003", DataError),
        (400, "9999", RequestRefusedError),
    ],
)
def test_the_envelopes_code_decides_with_any_status(status, code, error):
    with pytest.raises(error, match=rf"{code} said Marketo \(requestId r#1\)") as caught:
        read_response("GET /x", answer(refusal(code), status))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "error"), [(503, ServerError), (408, ServerError), (429, ThrottledError)]
)
def test_an_unlisted_code_with_a_transient_status_is_retried(status, error):
    with pytest.raises(error, match=r"\(9999 said Marketo, requestId r#1\)") as caught:
        read_response("GET /x", answer(refusal("9999"), status))
    assert type(caught.value) is error


def test_a_too_large_call_keeps_the_envelopes_reasons():
    with pytest.raises(TooLargeError, match=r"413 .*; 9999 said Marketo \(requestId r#1\)"):
        read_response("GET /x", answer(refusal("9999"), 413))


@pytest.mark.parametrize(("status", "ambiguous"), [(408, True), (425, False), (429, False)])
def test_a_throttled_call_is_not_ambiguous(status, ambiguous):
    with pytest.raises(ServerError) as caught:
        read_response("POST /x", answer(b"", status))
    assert caught.value.ambiguous is ambiguous
    assert caught.value.recovery is Recovery.RETRY


@pytest.mark.parametrize("status", [201, 203])
def test_an_envelope_may_come_with_any_2xx(status):
    assert read_response("GET /x", answer({"success": True, "result": [1]}, status)).result == [1]


def test_success_with_an_error_status_is_an_error():
    with pytest.raises(UnexpectedResponseError, match=r"HTTP 404 Not Found \(requestId r#1\)"):
        read_response("GET /x", answer({"success": True, "requestId": "r#1"}, 404))


def test_a_refusal_may_lack_success():
    members = {"requestId": "r#1", "errors": [{"code": "603", "message": "denied"}]}
    with pytest.raises(AccessDeniedError, match="603 denied"):
        read_response("GET /x", answer(members))


@pytest.mark.parametrize(("code", "error"), [("606", RateLimitError), ("1003", DataError)])
def test_success_with_errors_is_an_ambiguous_refusal(code, error):
    members = refusal(code, success=True, result=[{"status": "created"}])
    with pytest.raises(error) as caught:
        read_response("POST /x", answer(members))
    assert caught.value.ambiguous


def test_code_702_with_records_is_unexpected():
    members = refusal("702", success=True, result=[{"name": "x"}])
    with pytest.raises(
        UnexpectedResponseError, match=r"both records and the error 702 .*requestId r#1"
    ):
        read_response("GET /x", answer(members))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"success":' + b"9" * 5000 + b"}",
        b'{"success":1e' + b"9" * 20 + b"}",
        b'{"success":1e' + b"9" * 20 + b',"cut":"\\ud83d"}',
    ],
)
def test_json_that_is_too_large_is_unexpected(body):
    with pytest.raises(UnexpectedResponseError, match="a number or nesting that is too large"):
        read_response("GET /x", answer(body))


def test_a_byte_order_mark_before_an_envelope_is_accepted():
    body = b"\xef\xbb\xbf" + json.dumps({"success": True, "result": [1]}).encode()
    assert read_response("GET /x", answer(body)).result == [1]


def test_a_retry_after_is_part_of_the_error():
    response = HttpResponse(503, NOW, b"", "", retry_after_seconds=17.0)
    with pytest.raises(ServerError) as caught:
        read_response("GET /x", response)
    assert caught.value.retry_after_seconds == 17.0


@pytest.mark.parametrize(
    ("token", "read"), [("next", "next"), (12, "12"), ("", None), (None, None)]
)
def test_a_page_token_may_be_a_number(token, read):
    members = {"success": True, "nextPageToken": token}
    assert read_response("GET /x", answer(members)).token("GET /x") == read


def test_a_warning_may_be_a_mere_text():
    members = {"requestId": "r#1", "success": True, "result": [], "warnings": ["be careful"]}
    assert read_response("GET /x", answer(members)).warnings == ("be careful",)


@pytest.mark.parametrize("request_id", [["r#1"], {"id": "r#1"}, 1.5])
def test_a_request_id_that_is_no_text_is_none(request_id):
    members = {"requestId": request_id, "success": True, "result": []}
    assert read_response("GET /x", answer(members)).request_id is None
