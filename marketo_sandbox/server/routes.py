"""Method and path to operation; every operation has one name wherever it is spoken of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_sandbox.instance.instance import Instance

    Operation = Callable[[Instance, dict[str, Any]], dict[str, Any]]

READ = frozenset({"Read-Only Opportunity", "Read-Write Opportunity"})
WRITE = frozenset({"Read-Write Opportunity"})
SCHEMA = frozenset({"Read-Write Schema Standard Field", "Read-Write Schema Custom Field"})
ACTIVITY = frozenset({"Read-Only Activity"})


@dataclass(frozen=True)
class Route:
    """One operation.

    Attributes:
        name: what the journal and the coverage page call it.
        method: after ``_method`` has been heard.
        path: with a name in braces where a member of the path is a parameter.
        permissions: any one of these suffices; none are needed when empty.
        operation: what carries it out.
        writes: whether it changes records.
        crm: whether a native CRM sync owns what it speaks of, and which part.
    """

    name: str
    method: str
    path: str
    permissions: frozenset[str]
    operation: Operation
    writes: bool = False
    crm: str | None = None


def _objects() -> list[Route]:
    routes = []
    for obj, base, crm in (
        (OPPORTUNITY, "/rest/v1/opportunities", "opportunity"),
        (ROLE, "/rest/v1/opportunities/roles", "role"),
    ):
        for verb, method, path, permissions, writes in (
            ("describe", "GET", f"{base}/describe.json", READ, False),
            ("query", "GET", f"{base}.json", READ, False),
            ("sync", "POST", f"{base}.json", WRITE, True),
            ("delete", "POST", f"{base}/delete.json", WRITE, True),
        ):
            name = f"{verb} {obj.table}"
            routes.append(
                Route(name, method, path, permissions, _on(verb, obj), writes=writes, crm=crm)
            )
    return routes


def _on(verb: str, obj: Any) -> Operation:
    return lambda instance, parameters: getattr(instance, verb)(obj, parameters)


def _plain(name: str) -> Operation:
    return lambda instance, parameters: getattr(instance, name)(parameters)


_FIELDS = "/rest/v1/opportunities/schema/fields"
NOBODY: frozenset[str] = frozenset()

ROUTES: tuple[Route, ...] = (
    *_objects(),
    Route("fields", "GET", f"{_FIELDS}.json", SCHEMA, _on("fields", OPPORTUNITY), crm="field"),
    Route(
        "field",
        "GET",
        f"{_FIELDS}/{{fieldApiName}}.json",
        SCHEMA,
        _on("field", OPPORTUNITY),
        crm="field",
    ),
    Route(
        "activity_types",
        "GET",
        "/rest/v1/activities/types.json",
        ACTIVITY,
        _plain("activity_types"),
    ),
    Route(
        "paging_token",
        "GET",
        "/rest/v1/activities/pagingtoken.json",
        ACTIVITY,
        _plain("paging_token"),
    ),
    Route("activities", "GET", "/rest/v1/activities.json", ACTIVITY, _plain("activities")),
    Route("usage", "GET", "/rest/v1/stats/usage.json", NOBODY, _plain("usage")),
    Route(
        "usage_of_week",
        "GET",
        "/rest/v1/stats/usage/last7days.json",
        NOBODY,
        _plain("usage_of_week"),
    ),
    Route("errors", "GET", "/rest/v1/stats/errors.json", NOBODY, _plain("errors")),
    Route(
        "errors_of_week",
        "GET",
        "/rest/v1/stats/errors/last7days.json",
        NOBODY,
        _plain("errors_of_week"),
    ),
)

IDENTITY_PATH = "/identity/oauth/token"
IDENTITY_METHODS = frozenset({"GET", "POST"})
_PATTERNS = [
    (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(route.path))), route)
    for route in ROUTES
]


def find(method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
    """The route of a call, its path parameters, and whether the path is known at all."""
    known = False
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            known = True
            if route.method == method:
                return route, match.groupdict(), True
    return None, {}, known


def operation_name(method: str, path: str) -> str | None:
    """The name of what a call is for, or None when there is no such thing."""
    if path == IDENTITY_PATH:
        return "identity"
    route, _, _ = find(method, path)
    return route.name if route else None
