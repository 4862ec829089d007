"""Malformed pages of queries: their ends and their records."""

from __future__ import annotations

from marketo_sandbox.instance.describe import OPPORTUNITY
from tests.pipeline.malformed_responses.messages import DEAL_IDS, KEY
from tests.pipeline.malformed_responses.rows import (
    QUERY,
    QUERY_ROLE,
    REQUEST_ID,
    Refused,
    Row,
    Well,
    once,
    patch,
    success,
)

SUPPORT = "quote the requestId to Marketo's support"
MORE, TOKENS = "moreResult in queries", "how long page tokens live"
AGAIN = {"$parameter": "nextPageToken"}
# The target queries the opportunities of its input, and writes those that differ.
LOOKS_UP = {"target_settings": {"skip_unchanged": True}}
ONE, ONE_GUID = "OPP-0000001", {KEY: "OPP-0000001"}
BOTH_ENDINGS = "2026-11-20T00:00:00Z+0000"
STRANGER = {"marketoGUID": "stranger", KEY: "STRANGER", "name": "n", "updatedAt": "2026-05-01"}


def has_a_deal(sandbox):
    """Add the first opportunity of the input to an instance."""
    record = {KEY: DEAL_IDS[0], "name": "Deal D-1", "amount": 12.5}
    sandbox.instance.sync(OPPORTUNITY, {"input": [record]})


def everywhere(**merged):
    """Return rules that change every page of every query."""
    return [patch(operation, merge=merged) for operation in (QUERY, QUERY_ROLE)]


ROWS = [
    Row(
        "tokens alone lead from page to page",
        options={"dialects": {"tokens-only"}},
        both=Well(),
        open=MORE,
        **LOOKS_UP,
    ),
    Row(
        "tokens alone, by filter",
        options={"dialects": {"tokens-only"}, "short_pages": 0.5},
        tap=Well(),
        find="filter",
        open=MORE,
    ),
    Row(
        "moreResult and tokens, pages shorter than asked",
        options={"short_pages": 0.5},
        tap=Well(),
        open=MORE,
    ),
    Row(
        "moreResult false as a text, and a token",
        [patch(QUERY_ROLE, merge={"moreResult": "false", "nextPageToken": "T"}, skip=3)],
        tap=Well(),
    ),
    Row(
        "moreResult true as a text",
        [
            {**patch(QUERY_ROLE, merge={"moreResult": "TRUE"}), "times": 3},
            {**patch(QUERY, merge={"moreResult": "TRUE"}), "times": 2},
        ],
        tap=Well(),
    ),
    Row(
        "moreResult is a number",
        everywhere(moreResult=1),
        both=Refused(("not a boolean", REQUEST_ID), SUPPORT),
        **LOOKS_UP,
    ),
    Row(
        "more, and no token",
        everywhere(moreResult=True, nextPageToken=None),
        both=Refused(("moreResult is true without a page token", REQUEST_ID), SUPPORT),
        **LOOKS_UP,
    ),
    Row(
        "a token that is an object",
        everywhere(moreResult=True, nextPageToken={"a": "b"}),
        both=Refused(("a page token that is not a string", REQUEST_ID), SUPPORT),
        **LOOKS_UP,
    ),
    Row(
        "a token that leads back, and more to come",
        [patch(QUERY_ROLE, merge={"moreResult": True, "nextPageToken": AGAIN}, skip=1)],
        tap=Refused(("without new records", REQUEST_ID), SUPPORT),
    ),
    Row(
        "an empty page in the middle, and more to come",
        [once(success(QUERY_ROLE, moreResult=True, nextPageToken=AGAIN), skip=1)],
        tap=Well(),
    ),
    Row(
        "nothing but empty pages, and more to come",
        [success(each, moreResult=True, nextPageToken="T") for each in (QUERY, QUERY_ROLE)],
        both=Refused(("without new records", REQUEST_ID), SUPPORT),
        **LOOKS_UP,
    ),
    Row(
        "a token for the end, and an empty page after it",
        [patch(QUERY, merge={"moreResult": None}), patch(QUERY_ROLE, merge={})],
        tap=Well(),
        open=MORE,
    ),
    Row(
        "a page token has ended",
        [once({"fault": "expire_page_tokens", "operation": QUERY_ROLE}, skip=1)],
        tap=Well(),
        open=TOKENS,
    ),
    Row(
        "page tokens never last",
        [{"fault": "expire_page_tokens", "operation": QUERY_ROLE, "skip": 1}],
        tap=Refused(("1003", "requestId"), "start the read again"),
        open=TOKENS,
    ),
    Row(
        "a record that nobody asked for",
        [once(patch(QUERY, add=[STRANGER]))],
        tap=Well(("for an id that was not requested",), extra=frozenset({"STRANGER"})),
    ),
    Row(
        "a key in another case",
        [patch(QUERY, where=ONE_GUID, each={KEY: "opp-0000001 "})],
        tap=Well(
            ("for an id that was not requested",),
            lacking=frozenset({ONE}),
            extra=frozenset({"opp-0000001 "}),
        ),
    ),
    Row(
        "a deal without marketoGUID",
        [patch(QUERY, where=ONE_GUID, each={"marketoGUID": None})],
        tap=Well(("sent no marketoGUID",), lacking=frozenset({ONE})),
    ),
    Row(
        "a role whose marketoGUID is null",
        [patch(QUERY_ROLE, where=ONE_GUID, each={"marketoGUID": {"$value": None}})],
        tap=Well(("sent no marketoGUID",), lacking=frozenset({ONE})),
    ),
    Row(
        "records that are no objects",
        [patch(QUERY, merge={}, add=[None, "record"])],
        tap=Refused((REQUEST_ID,), SUPPORT),
    ),
    Row(
        "roles that are no objects",
        [patch(QUERY_ROLE, merge={}, add=[7])],
        tap=Refused((REQUEST_ID,), SUPPORT),
    ),
    Row(
        "a deal that a role names is not there",
        [patch(QUERY, drop=True, where=ONE_GUID)],
        tap=Well(("1 opportunity named by roles not found",), lacking=frozenset({ONE})),
    ),
    Row(
        "a value matches nothing",
        [patch(QUERY, drop=True, where=ONE_GUID)],
        tap=Well(("nothing found for 1 value",), lacking=frozenset({ONE})),
        find="filter",
    ),
    Row(
        "no result, and more to come",
        [once(patch(QUERY, merge={"result": None}))],
        tap=Well(
            ("2 opportunities named by roles not found",),
            lacking=frozenset({ONE, "OPP-0000002"}),
        ),
    ),
    Row(
        "a value that does not fit its type",
        [patch(QUERY, each={"amount": "a lot"})],
        tap=Well(("amount",), nulls=frozenset({"amount"})),
    ),
    Row(
        "moments with a Z and an offset",
        [
            patch(each, each={"updatedAt": "2026-11-20T00:00:00Z+0000"})
            for each in (QUERY, QUERY_ROLE)
        ],
        tap=Well(),
    ),
    Row(
        "no updatedAt",
        [patch(each, each={"updatedAt": None}) for each in (QUERY, QUERY_ROLE)],
        tap=Well(),
    ),
    Row(
        "no seq, or an odd one",
        [patch(QUERY, each={"seq": None}), patch(QUERY_ROLE, each={"seq": "first"})],
        tap=Well(),
    ),
    Row(
        "a lookup of the target's without marketoGUID",
        [success(QUERY, result=[{KEY: DEAL_IDS[0], "name": "Deal D-1", "amount": "12.50"}])],
        target=Well(("1 unchanged",)),
        prepare=has_a_deal,
        **LOOKS_UP,
    ),
    Row(
        "a lookup of the target's in another case",
        [patch(QUERY, each={KEY: "d-1 "})],
        target=Well(("1 unchanged",)),
        prepare=has_a_deal,
        **LOOKS_UP,
    ),
    Row(
        "a lookup of the target's brings what is no object",
        [success(QUERY, result=[None, "record"])],
        target=Refused((REQUEST_ID,), SUPPORT),
        **LOOKS_UP,
    ),
]
