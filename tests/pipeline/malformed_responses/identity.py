"""Malformed responses of the identity endpoint, which both plugins call first."""

from __future__ import annotations

from tests.pipeline.malformed_responses.rows import (
    IDENTITY,
    LOGIN_PAGE,
    REQUEST_ID,
    Refused,
    Row,
    Well,
    answer,
    once,
)

NO_TOKEN = Refused(
    ("identity service returned HTTP 200", "neither a token nor an error"), "'endpoint'"
)
NOT_SENDABLE = Refused(("not valid in an HTTP header",), "'endpoint'")
ECHO = {"error": "invalid_client", "error_description": {"$parameter": "client_secret"}}
BUSY = {"requestId": REQUEST_ID, "success": False, "errors": [{"code": "611", "message": "Busy"}]}


def rule(**more):
    return {"fault": "patch", "operation": IDENTITY, **more}


ROWS = [
    Row("identity hands out a number", [answer(IDENTITY, {"access_token": 5})], both=NO_TOKEN),
    Row("identity answers with a list", [answer(IDENTITY, "[]")], both=NO_TOKEN),
    Row(
        "identity's token has a line break",
        [answer(IDENTITY, {"access_token": "tok\r\nX-Odd: 1", "expires_in": 9})],
        both=NOT_SENDABLE,
        secrets=("X-Odd",),
    ),
    Row(
        "identity's token is not latin-1",
        [answer(IDENTITY, {"access_token": "tok€n-4711", "expires_in": 9})],
        both=NOT_SENDABLE,
        secrets=("n-4711",),
    ),
    Row("expires_in comes as text", [rule(merge={"expires_in": "3599"})], both=Well()),
    Row("expires_in is no number", [rule(merge={"expires_in": "soon"})], both=Well()),
    Row(
        "identity repeats the secret in its refusal",
        [answer(IDENTITY, ECHO, status=401)],
        both=Refused(("HTTP 401", "invalid_client"), "check client_id and client_secret"),
    ),
    Row(
        "identity is a login page",
        [answer(IDENTITY, LOGIN_PAGE, headers={"Content-Type": "text/html"})],
        both=Refused(("identity service returned HTTP 200",), "no proxy responds instead"),
    ),
    Row(
        "identity is nested beyond all measure",
        [answer(IDENTITY, "[" * 5_000)],
        both=Refused(("identity service",), "'endpoint'"),
    ),
    Row(
        "identity is throttled once",
        [once(answer(IDENTITY, "slow down", status=429, headers={"Retry-After": "1"}))],
        both=Well(("identity service returned HTTP 429",)),
    ),
    Row(
        "identity breaks off once",
        [once(answer(IDENTITY, '{"access_token": "ab'))],
        both=Well(("identity service is incomplete",)),
    ),
    Row(
        "identity answers with Marketo's envelope once",
        [once(answer(IDENTITY, BUSY, status=503))],
        both=Well(("611", REQUEST_ID)),
    ),
]
