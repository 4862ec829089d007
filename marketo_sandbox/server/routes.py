"""The routes of the API: HTTP method, path, operation, and the permissions that it needs."""

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
LEAD = frozenset({"Read-Only Lead", "Read-Write Lead"})
LEAD_WRITE = frozenset({"Read-Write Lead"})
ACTIVITY = frozenset({"Read-Only Activity", "Read-Write Activity"})


@dataclass(frozen=True)
class Route:
    """A route of the API, which leads to one operation.

    Attributes:
        name: name of the operation in the journal and on the coverage page.
        method: HTTP method, after ``_method`` is applied.
        path: path, with the names of path parameters in braces.
        permissions: the API user needs one of these permissions, or none if the set is empty.
        operation: function that runs the operation on an instance with the call's parameters.
        writes: True if the operation changes records.
        crm: kind of data that a native CRM sync owns ("opportunity", "role" or "field"), or None.
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
                Route(
                    name,
                    method,
                    path,
                    permissions,
                    _object_operation(verb, obj),
                    writes=writes,
                    crm=crm,
                )
            )
    return routes


def _object_operation(verb: str, obj: Any) -> Operation:
    return lambda instance, parameters: getattr(instance, verb)(obj, parameters)


def _instance_operation(name: str) -> Operation:
    return lambda instance, parameters: getattr(instance, name)(parameters)


def _lead_operation(name: str) -> Operation:
    return lambda instance, parameters: getattr(instance.lead_database, name)(parameters)


def _leads() -> list[Route]:
    leads, members = "/rest/v1/leads", "/rest/v1/lists/{listId}/leads"
    reads = (
        ("describe_leads", f"{leads}/describe.json"),
        ("describe_leads2", f"{leads}/describe2.json"),
        ("query_leads", f"{leads}.json"),
        ("lead", "/rest/v1/lead/{leadId}.json"),
        ("static_lists", "/rest/v1/lists.json"),
        ("static_list", "/rest/v1/lists/{listId}.json"),
        ("list_members", f"{members}.json"),
        # An older path of list_members, which Marketo still supports.
        ("list_members", "/rest/v1/list/{listId}/leads.json"),
        ("are_members", f"{members}/ismember.json"),
    )
    writes = (
        ("sync_leads", "POST", f"{leads}.json"),
        ("add_members", "POST", f"{members}.json"),
        ("remove_members", "DELETE", f"{members}.json"),
    )
    return [
        *(Route(name, "GET", path, LEAD, _lead_operation(name)) for name, path in reads),
        *(
            Route(name, method, path, LEAD_WRITE, _lead_operation(name), writes=True)
            for name, method, path in writes
        ),
    ]


_FIELDS = "/rest/v1/opportunities/schema/fields"
NO_PERMISSION: frozenset[str] = frozenset()

ROUTES: tuple[Route, ...] = (
    *_objects(),
    Route(
        "fields",
        "GET",
        f"{_FIELDS}.json",
        SCHEMA,
        _object_operation("fields", OPPORTUNITY),
        crm="field",
    ),
    Route(
        "field",
        "GET",
        f"{_FIELDS}/{{fieldApiName}}.json",
        SCHEMA,
        _object_operation("field", OPPORTUNITY),
        crm="field",
    ),
    Route(
        "activity_types",
        "GET",
        "/rest/v1/activities/types.json",
        ACTIVITY,
        _instance_operation("activity_types"),
    ),
    Route(
        "paging_token",
        "GET",
        "/rest/v1/activities/pagingtoken.json",
        ACTIVITY,
        _instance_operation("paging_token"),
    ),
    Route(
        "activities", "GET", "/rest/v1/activities.json", ACTIVITY, _instance_operation("activities")
    ),
    *_leads(),
    Route("usage", "GET", "/rest/v1/stats/usage.json", NO_PERMISSION, _instance_operation("usage")),
    Route(
        "usage_of_week",
        "GET",
        "/rest/v1/stats/usage/last7days.json",
        NO_PERMISSION,
        _instance_operation("usage_of_week"),
    ),
    Route(
        "errors", "GET", "/rest/v1/stats/errors.json", NO_PERMISSION, _instance_operation("errors")
    ),
    Route(
        "errors_of_week",
        "GET",
        "/rest/v1/stats/errors/last7days.json",
        NO_PERMISSION,
        _instance_operation("errors_of_week"),
    ),
)

IDENTITY = "identity"
IDENTITY_PATH = "/identity/oauth/token"
IDENTITY_METHODS = frozenset({"GET", "POST"})
OPERATIONS = tuple(dict.fromkeys((IDENTITY, *(route.name for route in ROUTES))))
_PATTERNS = [
    (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(route.path))), route)
    for route in ROUTES
]


def find_route(method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
    """Find the route that a method and a path lead to.

    Args:
        method: the call's effective method.
        path: the call's path.

    Returns:
        The route, or None if it is unknown; the path parameters by name; and True if the path is
        known, with this or another method.
    """
    known = False
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            known = True
            if route.method == method:
                return route, match.groupdict(), True
    return None, {}, known


def operation_name(method: str, path: str) -> str | None:
    """Return the name of the operation at a method and path, or None for an unknown route."""
    if path == IDENTITY_PATH:
        return IDENTITY
    route, _, _ = find_route(method, path)
    return route.name if route else None
