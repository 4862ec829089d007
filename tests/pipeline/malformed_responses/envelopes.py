"""Malformed members of Marketo's responses other than `result`, and unknown error codes."""

from __future__ import annotations

from tests.pipeline.malformed_responses.gateway import in_both
from tests.pipeline.malformed_responses.rows import (
    DESCRIBE,
    QUERY,
    QUERY_ROLE,
    REQUEST_ID,
    SYNC,
    USAGE,
    Refused,
    Row,
    Well,
    answer,
    code,
    once,
    patch,
    success,
)

SUPPORT = "quote the requestId to Marketo's support"
LIMITED = {"daily_call_limit": 1_000}
ASKS_USAGE = {"tap_settings": LIMITED, "target_settings": LIMITED}
BUSY = {"errors": [{"code": "611", "message": "System error"}]}
DENIED = {"errors": [{"code": "603", "message": "Access denied"}]}
WARNED = [{"code": 4711, "message": "Deprecated"}]


ROWS = [
    Row(
        "success, and an error that passes",
        in_both(once(patch("", merge=BUSY))),
        both=Well(("611", REQUEST_ID)),
    ),
    Row(
        "success, and access denied",
        in_both(patch("", merge=DENIED)),
        both=Refused(("603", REQUEST_ID, "Opportunity'"), "Give the API user's role"),
    ),
    Row(
        "success as a text",
        in_both(patch("", merge={"success": "true"})),
        both=Refused(("is JSON, but not Marketo's",), "'endpoint'"),
    ),
    Row(
        "no success, and no reason",
        in_both(patch("", merge={"success": False, "result": None})),
        both=Refused(("no reason was given", REQUEST_ID), SUPPORT),
    ),
    Row(
        "an error that is a text",
        in_both(patch("", merge={"success": False, "errors": ["Out of order"]})),
        both=Refused(("Out of order", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a number for a requestId",
        in_both(code(610, "", merge={"requestId": 4711})),
        both=Refused(("610", "requestId 4711"), SUPPORT),
    ),
    Row(
        "no requestId",
        in_both(code(610, "", merge={"requestId": None})),
        both=Refused(("610",), SUPPORT),
    ),
    Row(
        "an object for a requestId",
        in_both(code(610, "", merge={"requestId": {"id": 1}})),
        both=Refused(("610",), SUPPORT),
    ),
    Row(
        "warnings as objects",
        in_both(patch("", merge={"warnings": WARNED})),
        both=Well(("Marketo warns about", "4711", "Deprecated")),
    ),
    Row(
        "warnings as texts",
        in_both(patch("", merge={"warnings": ["Deprecated"]})),
        both=Well(("Marketo warns about", "Deprecated")),
    ),
    Row(
        "errors and warnings in every envelope",
        options={"dialects": {"full-envelope"}},
        both=Well(),
    ),
    Row(
        "a result that is an object",
        in_both(patch("", merge={"result": {"$value": {"marketoGUID": "x"}}})),
        both=Refused(("a result that is not a list", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a result that is a text",
        [patch(QUERY_ROLE, merge={"result": "none"})],
        tap=Refused(("a result that is not a list", REQUEST_ID), SUPPORT),
    ),
    Row(
        "no data, and records beside it",
        [patch(QUERY, merge={"errors": [{"code": "702", "message": "No data found"}]})],
        tap=Refused(("702", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a code that nobody lists",
        in_both(code(9876, "", message="Fresh from the lab")),
        both=Refused(("9876", "Fresh from the lab", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a code of other calls",
        in_both(code(712, "", message="Not yours")),
        both=Refused(("712", "Not yours", REQUEST_ID), SUPPORT),
    ),
    Row(
        "no token has come, Marketo says",
        in_both(code(600, "", message="Access token not specified")),
        both=Refused(("600", REQUEST_ID), "Authorization header"),
    ),
    Row(
        "a wait for a lock, the work done",
        in_both(once(code(719, "", after=True))),
        both=Well(("719", REQUEST_ID)),
    ),
    Row(
        "a time-out of Marketo's, the work done",
        in_both(once(code(604, "", after=True))),
        both=Well(("604", REQUEST_ID)),
    ),
    Row(
        "the limit of calls at once",
        in_both(once(code(615, ""))),
        both=Well(("615", REQUEST_ID)),
    ),
    Row(
        "usage as a text",
        [patch(USAGE, each={"total": "17"})],
        both=Well(),
        **ASKS_USAGE,
    ),
    Row(
        "usage as words",
        [patch(USAGE, merge={}, each={"total": "plenty"})],
        both=Refused(("usage", REQUEST_ID), SUPPORT),
        **ASKS_USAGE,
    ),
    Row(
        "usage of somebody that is no object",
        [success(USAGE, result=["17"])],
        both=Refused(("usage", REQUEST_ID), SUPPORT),
        **ASKS_USAGE,
    ),
    Row(
        "usage is refused",
        [code(603, USAGE)],
        both=Refused(("603", REQUEST_ID), "Give the API user's role"),
        **ASKS_USAGE,
    ),
    Row(
        "an answer that says nothing at all",
        [answer(each, {}) for each in (DESCRIBE, SYNC)],
        both=Refused(("is JSON, but not Marketo's",), "'endpoint'"),
    ),
]
