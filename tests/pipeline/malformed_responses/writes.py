"""Malformed responses to the calls by which the target writes."""

from __future__ import annotations

from tests.pipeline.malformed_responses.messages import (
    DEAL_IDS,
    DEAL_SCHEMA,
    DELETES,
    NAMELESS,
    ROLE_FIRST,
    ROLE_OF_NOBODY,
    ROLES_TOO,
    STATE,
    deal,
)
from tests.pipeline.malformed_responses.rows import (
    DELETE,
    REQUEST_ID,
    SYNC,
    SYNC_ROLE,
    Refused,
    Row,
    Well,
    answer,
    code,
    patch,
    success,
)

SUPPORT = "quote the requestId to Marketo's support"
NAMELESS_INSERTS = "an insert without name"
NO_OPPORTUNITY, NO_LEAD = "a role without its opportunity", "a role without its lead"
TAKES_ANY = {"max_rejects": -1}
WITH_ROLES = {"target_settings": ROLES_TOO}
SKIPPED = {"status": "skipped"}
GUIDS = [f"guid-{number}" for number in range(len(DEAL_IDS))]
UNMATCHED = Refused(("do not match one to one", REQUEST_ID), "Run again")
ONE_REJECTED = frozenset({"D-3"})


def results(*changes, of=SYNC):
    """Return a rule that processes the call but responds with the given results."""
    return {**success(of, result=list(changes)), "after": True}


def created(seq, **more):
    return {"seq": seq, "status": "created", "marketoGUID": GUIDS[int(seq)], **more}


def said(number, of=SYNC):
    """Return a rule that changes the code with which records are skipped."""
    reasons = [{"code": str(number), "message": "Not there"}]
    return patch(of, where=SKIPPED, each={"reasons": reasons})


ROWS = [
    Row("fewer results than records", [results(created(0), created(1))], target=UNMATCHED),
    Row(
        "more results than records",
        [results(*map(created, range(4)), created(3))],
        target=UNMATCHED,
    ),
    Row("no results", [{**success(SYNC), "after": True}], target=UNMATCHED),
    Row(
        "results that are no objects",
        [results("created", None, 5, "created")],
        target=UNMATCHED,
    ),
    Row(
        "the same seq twice",
        [results(created(0), created(1), created(1), created(3))],
        target=UNMATCHED,
    ),
    Row(
        "an unknown status",
        [results(created(0), created(1), created(2, status="queued"), created(3))],
        target=Refused(("the unknown status 'queued'", REQUEST_ID), "support"),
    ),
    Row("no seq", [patch(SYNC, each={"seq": None})], target=Well()),
    Row(
        "results in another order, seq as texts",
        [results(*(created(str(seq)) for seq in (3, 1, 0, 2)))],
        target=Well(("4 created",)),
    ),
    Row(
        "one refused, in another order",
        [
            results(
                created(3),
                {"seq": "2", **SKIPPED, "reasons": [{"code": 1003, "message": "No"}]},
                created(1),
                created(0),
            )
        ],
        target=Refused(("1003", REQUEST_ID), "max_rejects", lacking=ONE_REJECTED),
    ),
    Row(
        "errors in the place of reasons",
        [patch(SYNC, where=SKIPPED, each={"reasons": None, "errors": [{"code": 1003}]})],
        target=Well(("1003", "1 rejected"), lacking=frozenset({"D-2"})),
        messages=NAMELESS,
        target_settings=TAKES_ANY,
    ),
    Row(
        "no reason at all",
        [patch(SYNC, where=SKIPPED, each={"reasons": None})],
        target=Well(("no reason was given", "1 rejected"), lacking=frozenset({"D-2"})),
        messages=NAMELESS,
        target_settings=TAKES_ANY,
    ),
    Row(
        "a reason that is a text",
        [patch(SYNC, where=SKIPPED, each={"reasons": "Not today"})],
        target=Well(("Not today", "1 rejected"), lacking=frozenset({"D-2"})),
        messages=NAMELESS,
        target_settings=TAKES_ANY,
    ),
    Row(
        "no GUID of what was created",
        [patch(SYNC, each={"marketoGUID": {"$value": None}})],
        target=Well(("4 created",)),
    ),
    Row(
        "a status in capitals",
        [patch(SYNC, where={"status": "created"}, each={"status": "Created"})],
        target=Refused(("the unknown status 'Created'", "requestId"), "support"),
    ),
    Row(
        "an insert without name is refused",
        target=Refused(("1002",), "max_rejects", lacking=frozenset({"D-2"})),
        messages=NAMELESS,
        open=NAMELESS_INSERTS,
    ),
    Row(
        "an insert without name is taken",
        options={"dialects": {"nameless-inserts"}},
        target=Well(("2 created",)),
        messages=NAMELESS,
        open=NAMELESS_INSERTS,
    ),
    Row(
        "a role before its opportunity is 1004",
        target=Well(),
        messages=ROLE_FIRST,
        open=NO_OPPORTUNITY,
        **WITH_ROLES,
    ),
    Row(
        "a role before its opportunity is 1013",
        options={"dialects": {"role-parent-1013"}},
        target=Well(),
        messages=ROLE_FIRST,
        open=NO_OPPORTUNITY,
        **WITH_ROLES,
    ),
    Row(
        "a role before its opportunity is 1003",
        [said(1003, SYNC_ROLE)],
        target=Refused(("1003",), "max_rejects", lacking=frozenset({"lead 1"})),
        messages=ROLE_FIRST,
        open=NO_OPPORTUNITY,
        **WITH_ROLES,
    ),
    *(
        Row(
            f"a role without its lead is {number}",
            [said(number, SYNC_ROLE)],
            target=Refused((str(number),), "max_rejects", lacking=frozenset({"lead 99"})),
            messages=ROLE_OF_NOBODY,
            open=NO_LEAD,
            **WITH_ROLES,
        )
        for number in (1004, 1013, 1003)
    ),
    Row(
        "a delete of what is gone is 1013",
        target=Well(("3 deleted",)),
        messages=DELETES,
        target_settings={"hard_delete": True},
    ),
    Row(
        "a delete of what is gone is 1004",
        [said(1004, DELETE)],
        target=Well(("3 deleted",)),
        messages=DELETES,
        target_settings={"hard_delete": True},
    ),
    Row(
        "fewer results of a delete",
        [results({"seq": 0, "status": "deleted"}, of=DELETE)],
        target=UNMATCHED,
        messages=DELETES,
        target_settings={"hard_delete": True},
    ),
    Row(
        "writing is denied",
        [code(603, SYNC)],
        target=Refused(("603", REQUEST_ID, "'Read-Write Opportunity'"), "Give the API user's role"),
    ),
    Row(
        "one record refuses the whole call",
        options={"sales_persons": frozenset({"known"})},
        target=Refused(("718",), "max_rejects", lacking=ONE_REJECTED),
        messages=[
            DEAL_SCHEMA,
            *map(deal, ("D-1", "D-2")),
            deal("D-3", externalSalesPersonId="unknown"),
            deal("D-4", externalSalesPersonId="known"),
            STATE,
        ],
    ),
    Row(
        "each call is too large, says a gateway",
        [answer(SYNC, "", status=413)],
        target=Refused(("413",), "max_rejects", lacking=frozenset({"D-1"})),
    ),
    Row(
        "success, and an error of one record for the whole call",
        [patch(SYNC, merge={"errors": [{"code": "1003", "message": "Odd value"}]})],
        target=Refused(("1003", REQUEST_ID), "Correct", lacking=frozenset({"D-1"})),
    ),
]
