"""The parameters of each control call, with the type of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.options import ALL_PERMISSIONS, DIALECTS, CrmSync
from marketo_sandbox.server.routes import OPERATIONS
from marketo_sandbox.server.validation import (
    ANYTHING,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    integer,
    list_of,
    number,
    one_of,
    optional,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_sandbox.server.validation import ValueType

CHANGEABLE = {
    "latency_ms": number(0, DAY_SECONDS * 1000),
    "crm_sync": optional(one_of(*get_args(CrmSync))),
    "permissions": list_of(one_of(*sorted(ALL_PERMISSIONS))),
    "sales_persons": optional(list_of(TEXT)),
    "activity_delay_seconds": number(0, DAY_SECONDS * 365),
    "activity_scan": integer(1),
    "log_unchanged": FLAG,
    "log_deletions": FLAG,
    "short_pages": number(0, 1),
    "refuse_delete_in_use": FLAG,
    "dialects": list_of(one_of(*DIALECTS)),
}
LIMITS = {
    "enforced": FLAG,
    "calls_per_window": integer(0),
    "window_seconds": number(0, DAY_SECONDS),
    "concurrent_calls": integer(0),
    "daily_calls": integer(0),
    "max_body_bytes": integer(0),
    "max_uri_bytes": integer(0),
}
OPTIONS = {**CHANGEABLE, "limits": OBJECT}
SEED = {
    "opportunities": integer(0),
    "leads": optional(integer(0)),
    "roles": FLAG,
    "comma_ids": integer(0),
    "duplicates": integer(0),
    "history_days": integer(1, 36_500),
}
LEADS = {"ids": list_of(integer(1))}
NEW_LEADS = {**LEADS, "records": list_of(OBJECT)}
MERGE = {"kept": integer(1), "merged": list_of(integer(1)), "anew": FLAG}
LIST = {"list": integer(1), "leads": list_of(integer(1))}
USAGE = {"calls": integer(0), "user": TEXT, "today": integer(0)}
CLOCK = {"now": TEXT, "advance": NUMBER, "frozen": FLAG}
CHANGE = {"ids": list_of(TEXT), "fields": OBJECT}
JOURNAL = {
    "since": integer(0),
    "limit": integer(0),
    "operation": one_of(*OPERATIONS),
    "brief": ANYTHING,
}
EXCHANGE = {"call": integer(0)}
IDS = {"offset": integer(0), "limit": integer(0)}
RECORDS = {"after": integer(0), "limit": integer(0)}
NOTHING: dict[str, ValueType] = {}


def from_query(types: Mapping[str, ValueType], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of a query string, digits as an integer where a text is not allowed.

    Args:
        types: the types of the call's parameters, by name.
        query: the query parameters, all of them texts.
    """
    return {name: _value(types.get(name, ANYTHING), text) for name, text in query.items()}


def _value(value_type: ValueType, text: str) -> str | int:
    return int(text) if text.isdecimal() and not value_type.accepts(text) else text
