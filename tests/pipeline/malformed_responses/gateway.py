"""Malformed responses of gateways and proxies, and broken connections, in any call."""

from __future__ import annotations

from tests.pipeline.malformed_responses.messages import DELETES
from tests.pipeline.malformed_responses.rows import (
    DELETE,
    DESCRIBE,
    LOG,
    LOGIN_PAGE,
    QUERY,
    QUERY_ROLE,
    REQUEST_ID,
    SYNC,
    TYPES,
    Refused,
    Row,
    Well,
    answer,
    code,
    once,
    patch,
)

NETWORK = "run again later, or raise max_retry_seconds"
SOON = {"max_retry_seconds": 1}
FAILS_SOON = {"tap_settings": SOON, "target_settings": SOON}
HTML = {"headers": {"Content-Type": "text/html"}}
NO_HTML = Refused(("is HTML instead of JSON", "Sign in"), "no proxy or login page responds instead")
TRUNCATED = '{"requestId": "13#odd", "result": [{"marketoGU'
LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"
FAR_AHEAD = "Thu, 01 Jan 2099 00:00:00 GMT"


def in_both(rule):
    """Return a fault rule for a call of the tap and one for a call of the target."""
    return [{**rule, "operation": operation} for operation in (QUERY, SYNC)]


def dated(date, **more):
    return {"fault": "patch", "operation": None, "headers": {"Date": date}, **more}


ROWS = [
    Row(
        "the token has ended, told by HTTP 401",
        [once({"fault": "expire_tokens", "operation": DESCRIBE, "status": 401})],
        both=Well(("602", "Fetching a new token.")),
    ),
    Row(
        "HTTP 401 with 601, and identity hands out the same token",
        [once(code(601, DESCRIBE, status=401))],
        both=Well(("601", REQUEST_ID, "returned the same token again")),
        **FAILS_SOON,
    ),
    Row(
        "HTTP 503 with 607",
        in_both(code(607, "", status=503, headers={"Retry-After": "1"})),
        both=Refused(("607", REQUEST_ID), "midnight US Central"),
    ),
    Row(
        "HTTP 400 with 610",
        in_both(code(610, "", status=400)),
        both=Refused(("610", REQUEST_ID), "quote the requestId"),
    ),
    Row(
        "HTTP 502 with 606 and a number for a code",
        in_both(once(code(611, "", status=502, at="/errors", each={"code": 611}))),
        both=Well(("611", REQUEST_ID)),
    ),
    Row(
        "HTTP 429 with Retry-After in seconds",
        in_both(once(answer("", "", status=429, headers={"Retry-After": "1"}))),
        both=Well(("HTTP 429",)),
    ),
    Row("HTTP 408", in_both(once(answer("", "", status=408))), both=Well(("HTTP 408",))),
    Row("HTTP 425", in_both(once(answer("", "", status=425))), both=Well(("HTTP 425",))),
    Row(
        "HTTP 502 with a page, the work done",
        in_both(once({"fault": "html", "after": True})),
        both=Well(("HTTP 502",)),
    ),
    Row(
        "HTTP 500 for ever",
        in_both({"fault": "http_500"}),
        both=Refused(("HTTP 500",), NETWORK),
        **FAILS_SOON,
    ),
    Row("a login page", in_both(answer("", LOGIN_PAGE, **HTML)), both=NO_HTML),
    Row("a login page for describe", [answer(DESCRIBE, LOGIN_PAGE, **HTML)], both=NO_HTML),
    Row(
        "a redirect to elsewhere",
        in_both(answer("", "", status=302, headers={"Location": "https://login.example.com/"})),
        both=Refused(("HTTP 302",), "'endpoint'"),
    ),
    Row(
        "HTTP 403 of a proxy for a delete",
        [answer(DELETE, "blocked", status=403)],
        target=Refused(("HTTP 403",), "no proxy responds instead"),
        messages=DELETES,
        target_settings={"hard_delete": True},
    ),
    Row("HTTP 201 around a good answer", in_both(patch("", status=201)), both=Well()),
    Row("no body", in_both(once(answer("", ""))), both=Well(("ends after 0 bytes",))),
    Row(
        "JSON that breaks off",
        in_both(once(answer("", TRUNCATED))),
        both=Well(("is incomplete: it ends after",)),
    ),
    Row(
        "JSON that breaks off for ever",
        in_both(answer("", TRUNCATED)),
        both=Refused(("is incomplete: it ends after",), NETWORK),
        **FAILS_SOON,
    ),
    Row(
        "JSON nested beyond all measure",
        in_both(answer("", '{"result": ' + "[" * 5_000)),
        both=Refused(("number or nesting that is too large",), "quote the requestId"),
    ),
    Row(
        "JSON of another program",
        in_both(answer("", {"status": "ok", "data": []})),
        both=Refused(("is JSON, but not Marketo's",), "'endpoint'"),
    ),
    Row(
        "a text for JSON",
        [answer(DESCRIBE, '"down for maintenance"')],
        both=Refused(("is JSON, but not Marketo's",), "'endpoint'"),
    ),
    Row(
        "gzip that is none",
        in_both(once({"fault": "patch", "headers": {"Content-Encoding": "gzip"}, "status": 200})),
        both=Well(),
    ),
    Row("an answer cut in two", in_both(once({"fault": "truncated_body"})), both=Well(("lost",))),
    Row(
        "a connection closed after the write",
        [once({"fault": "cut_after_write", "operation": SYNC})],
        target=Well(("lost",)),
    ),
    Row(
        "100 Continue and nothing after it",
        in_both(once({"fault": "wire", "raw": "HTTP/1.1 100 Continue\r\n\r\n"})),
        both=Well(),
    ),
    Row(
        "no HTTP at all",
        in_both(once({"fault": "wire", "raw": "\x00\x01\xff no HTTP\r\n\r\n"})),
        both=Well(),
    ),
    Row(
        "headers that drip",
        in_both(once({"fault": "wire", "drip": "headers", "seconds": 2})),
        both=Well(),
        long=True,
    ),
    Row(
        "a body that drips",
        in_both(once({"fault": "wire", "drip": "body", "seconds": 2})),
        both=Well(("Timed out while reading the response",)),
        long=True,
    ),
    Row("a Date that is none", [dated("yesterday")], both=Well()),
    Row("no Date", [dated(None)], both=Well()),
    Row(
        "the Date of one answer is long ago",
        [once(dated(LONG_AGO), skip=3)],
        tap=Well(),
    ),
    Row(
        "the Date of one answer is far ahead",
        [once({**dated(FAR_AHEAD), "operation": TYPES})],
        tap=Well(),
    ),
    Row(
        "HTTP 503 for the roles and the log, once each",
        [once({"fault": "http_503", "operation": each}) for each in (QUERY_ROLE, LOG)],
        tap=Well(("HTTP 503",)),
    ),
]
