"""Malformed responses of the activity log, activity types and paging tokens."""

from __future__ import annotations

from marketo_sandbox.instance.describe import OPPORTUNITY
from tests.pipeline.malformed_responses.messages import KEY
from tests.pipeline.malformed_responses.rows import (
    FIELDS,
    LOG,
    PAGING_TOKEN,
    REQUEST_ID,
    TYPES,
    Refused,
    Row,
    Well,
    code,
    once,
    patch,
    success,
)

SUPPORT = "quote the requestId to Marketo's support"
TOKENS, MERGES = "how long page tokens live", "what a merge logs"
CHANGES, UNCHANGED = "what attributeName holds", "what an unchanged or deleted deal logs"
AGAIN = {"$parameter": "nextPageToken"}
# Number of pages before the last one in the log of each instance.
LAST_PAGE = 7
ACTIVITIES, FIELD_CHANGES = "opportunity_activities", "opportunity_changes"
CHANGE = '[{"attributeName":"stage","oldValue":"Proposal","newValue":"Won"}]'
BY_API_NAME = [{"name": "Data Value Changes", "value": CHANGE}]
BROKEN_OFF = [{"name": "Data Value Changes", "value": CHANGE[:-5]}]


def merge(anew):
    """Return a function that merges leads 40 days after the opportunities were created."""

    def prepare(sandbox):
        sandbox.advance(40 * 86_400)
        sandbox.instance.merge_leads(1, [2, 3, 4], anew=anew)

    return prepare


def change_and_delete(sandbox):
    """Write one value twice, and delete an opportunity."""
    for _ in range(2):
        sandbox.instance.change(["OPP-0000001"], {"stage": "Negotiation"})
    deleted = {"deleteBy": "dedupeFields", "input": [{KEY: "OPP-0000002"}]}
    sandbox.instance.delete(OPPORTUNITY, deleted)


ROWS = [
    Row(
        "no moreResult in the log",
        [patch(LOG, merge={"moreResult": None})],
        tap=Refused(("no moreResult in a page of the activity log", REQUEST_ID), SUPPORT),
    ),
    Row(
        "moreResult as a text in the log",
        [
            patch(LOG, merge={"moreResult": "True"}, times=LAST_PAGE),
            patch(LOG, merge={"moreResult": "False"}),
        ],
        tap=Well(),
    ),
    Row(
        "moreResult neither true nor false in the log",
        [patch(LOG, merge={"moreResult": "perhaps"})],
        tap=Refused(("not a boolean", REQUEST_ID), SUPPORT),
    ),
    Row(
        "more of the log, and no token",
        [patch(LOG, merge={"moreResult": True, "nextPageToken": None})],
        tap=Refused(("moreResult is true without a page token", REQUEST_ID), SUPPORT),
    ),
    Row(
        "the log leads back to where it was",
        [patch(LOG, merge={"moreResult": True, "nextPageToken": AGAIN}, skip=1)],
        tap=Refused(("that it sent before", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a number for the log's last token",
        [patch(LOG, merge={"nextPageToken": 4711}, skip=LAST_PAGE)],
        tap=Well(),
    ),
    Row("pages of the log without entries", options={"activity_scan": 1}, tap=Well()),
    Row(
        "a hundred pages of the log without entries, and a token that has ended",
        [once(success(LOG, moreResult=True, nextPageToken=f"T{number}")) for number in range(101)],
        tap=Well(("100 empty pages of the activity log in a row",)),
        long=True,
    ),
    Row(
        "the log's token has ended",
        [once({"fault": "expire_page_tokens", "operation": LOG}, skip=1)],
        tap=Well(("no longer accepts the page token of the activity log",)),
        open=TOKENS,
    ),
    Row(
        "the log's tokens never last",
        [{"fault": "expire_page_tokens", "operation": LOG, "skip": 1}],
        tap=Refused(("1003",), "start the read again"),
        open=TOKENS,
    ),
    Row("dates of the log with an offset", options={"dialects": {"offsets"}}, tap=Well()),
    Row(
        "an entry without a lead",
        [once(patch(LOG, each={"leadId": None}))],
        tap=Refused(("has no leadId that can be read",), "use find_by: filter or lead_ids"),
    ),
    Row(
        "an entry with a date that is none",
        [once(patch(LOG, each={"activityDate": "last week"}))],
        tap=Refused(("has no activityDate that can be read",), "use find_by: filter or lead_ids"),
    ),
    Row("a lead as a text", [patch(LOG, each={"leadId": "1"}, where={"leadId": 1})], tap=Well()),
    Row(
        "entries that are no objects",
        [once(patch(LOG, merge={}, add=[None, "entry"]))],
        tap=Refused((REQUEST_ID,), SUPPORT),
    ),
    Row("entries by id alone", [patch(LOG, each={"marketoGUID": None})], tap=Well()),
    Row(
        "no paging token",
        [success(PAGING_TOKEN)],
        tap=Refused(("no paging token", REQUEST_ID), SUPPORT),
    ),
    Row(
        "a paging token that is an object",
        [success(PAGING_TOKEN, nextPageToken={"a": 1})],
        tap=Refused(("token", REQUEST_ID), SUPPORT),
    ),
    Row(
        "the log is denied",
        [code(603, LOG)],
        tap=Refused(("603", REQUEST_ID, "Read-Only Activity"), "Give the API user's role"),
    ),
    Row(
        "the log is refused for its date",
        [code(704, PAGING_TOKEN, message="Invalid date")],
        tap=Refused(("704", REQUEST_ID), SUPPORT),
    ),
    Row(
        "types with blanks and in capitals",
        [patch(TYPES, each={"name": " UPDATE OPPORTUNITY "}, where={"id": 36})],
        tap=Well(),
    ),
    Row(
        "types by other names",
        [patch(TYPES, each={"name": "Deal changed"}, where={"id": 36})],
        tap=Well(("Update Opportunity",)),
    ),
    Row(
        "a type that is missing",
        [patch(TYPES, drop=True, where={"id": 35})],
        tap=Well(("WARNING", "Remove from Opportunity")),
    ),
    Row(
        "a further type about opportunities",
        [patch(TYPES, add=[{"id": 4711, "name": "Opportunity Won"}])],
        tap=Well(("Opportunity Won",)),
    ),
    Row(
        "types with numbers in texts",
        [patch(TYPES, each={"id": "36"}, where={"id": 36})],
        tap=Well(),
    ),
    Row(
        "no types",
        [success(TYPES, result=[])],
        tap=Refused(("none of the activity types",), "find_by: filter or lead_ids"),
    ),
    Row(
        "types that are no objects",
        [success(TYPES, result=["Update Opportunity", None])],
        tap=Refused(("an activity type without name or id", REQUEST_ID), SUPPORT),
    ),
    Row(
        "attributeName is the display name",
        tap=Well(),
        selects=(ACTIVITIES, FIELD_CHANGES),
        open=CHANGES,
    ),
    Row(
        "attributeName is the API name",
        [patch(LOG, where={"activityTypeId": 36}, each={"attributes": {"$value": BY_API_NAME}})],
        tap=Well(),
        selects=(ACTIVITIES, FIELD_CHANGES),
        open=CHANGES,
    ),
    Row(
        "changes that are broken off",
        [patch(LOG, where={"activityTypeId": 36}, each={"attributes": {"$value": BROKEN_OFF}})],
        tap=Well(("of the activity log could not be read",)),
        selects=(ACTIVITIES, FIELD_CHANGES),
    ),
    Row(
        "entries by id alone, each of them emitted",
        [patch(LOG, each={"marketoGUID": None})],
        tap=Well(),
        selects=(ACTIVITIES,),
    ),
    Row(
        "a merge logs itself alone",
        tap=Well(),
        prepare=merge(anew=False),
        open=MERGES,
    ),
    Row(
        "a merge gives roles anew",
        tap=Well(),
        prepare=merge(anew=True),
        open=MERGES,
    ),
    Row(
        "an unchanged deal is logged",
        tap=Well(),
        prepare=change_and_delete,
        open=UNCHANGED,
    ),
    Row(
        "an unchanged deal is not logged",
        options={"log_unchanged": False, "log_deletions": False},
        tap=Well(),
        prepare=change_and_delete,
        open=UNCHANGED,
    ),
    Row(
        "fields are denied",
        [code(603, FIELDS)],
        tap=Refused(("603", REQUEST_ID), "deselect the stream opportunity_fields"),
    ),
    Row(
        "a field without a name",
        [patch(FIELDS, each={"name": None}, where={"name": "amount"})],
        tap=Well(
            ("1 record of opportunity_fields skipped: Marketo sent no name",),
            lacking=frozenset({"amount"}),
        ),
    ),
    Row(
        "more fields, and no token",
        [patch(FIELDS, merge={"moreResult": True, "nextPageToken": None})],
        tap=Refused(("moreResult is true without a page token", REQUEST_ID), SUPPORT),
    ),
    Row(
        "the fields again and again",
        [patch(FIELDS, merge={"moreResult": True, "nextPageToken": AGAIN}, skip=1)],
        tap=Refused(("without new records", REQUEST_ID), SUPPORT),
    ),
]
