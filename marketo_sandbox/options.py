"""Options of a sandbox instance and of its API limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

ALL_PERMISSIONS = frozenset(
    {
        "Read-Only Opportunity",
        "Read-Write Opportunity",
        "Read-Write Schema Standard Field",
        "Read-Write Schema Custom Field",
        "Read-Only Activity",
        "Read-Write Activity",
        "Read-Only Lead",
        "Read-Write Lead",
    }
)

DIALECTS = {
    "tokens-only": "every page of a query, even the last, has nextPageToken and no moreResult",
    "api-names": "describe returns apiName instead of name",
    "full-envelope": "every response has errors and warnings, empty if there are none",
    "nameless-inserts": "an opportunity can be created without a name",
    "offsets": "dates of activities end in +0000 instead of Z",
    "role-parent-1013": "a role whose opportunity does not exist is 1013 instead of 1004",
}
"""Behaviour that Adobe does not document, each differing from the known recorded responses."""

CrmSync = Literal["read-only", "disabled"]


@dataclass
class LimitOptions:
    """API limits of the instance; the defaults are those that Adobe documents."""

    enforced: bool = True
    calls_per_window: int = 100
    window_seconds: float = 20.0
    concurrent_calls: int = 10
    daily_calls: int = 50_000
    # The stricter reading of "1 MB" and "8 KB": a client that keeps to it keeps to both readings.
    max_body_bytes: int = 1_000_000
    max_uri_bytes: int = 8_000


@dataclass
class SandboxOptions:
    """Options of a sandbox instance.

    Attributes:
        opportunities: number of opportunities to seed.
        leads: number of leads to seed; by default half the number of opportunities.
        seed: random seed of records, GUIDs and faults.
        database: path of the SQLite file that stores the instance; None for a temporary database.
        port: TCP port to listen on; 0 for any free port.
        latency_ms: minimum duration of a call in milliseconds.
        faults: fault rules to start with, each as a mapping of members of ``FaultRule``.
        crm_sync: mode of a native CRM sync that owns opportunities: "read-only" refuses writes of
            opportunities and all role calls, "disabled" refuses all opportunity and role calls;
            None for no CRM sync.
        client_id: client ID of the custom service; by default a random one.
        client_secret: client secret of the custom service; by default a random one.
        token_seconds: lifetime of an access token in seconds.
        permissions: permissions of the API user's role.
        sales_persons: valid values of ``externalSalesPersonId``; None for any.
        activity_delay_seconds: seconds from an activity's date until the API returns the activity.
        activity_scan: number of activities that one call examines, whether they match its filter or
            not.
        activity_retention_days: age in days at which activities are purged; by default the age that
            Adobe documents for each activity type.
        log_unchanged: True to add an activity also for an update that changes no value.
        log_deletions: True to add an activity for each role that is deleted with its opportunity.
        short_pages: probability that a page has fewer records than requested.
        exact_keys: True if dedupe keys that differ in case or trailing blanks are different keys.
        refuse_delete_in_use: True to refuse deletion of an opportunity that has roles (1022).
        describe_role_dates: True to list createdAt and updatedAt in the roles' describe, which
            Adobe's documented describe does not.
        dialects: names of undocumented behaviour to turn on (see ``DIALECTS``).
        clock: initial time of the instance's clock (ISO 8601); by default the real time.
        journal_size: number of calls that the journal keeps.
        limits: a ``LimitOptions``, or a mapping of its members.
    """

    opportunities: int = 0
    leads: int | None = None
    seed: int = 0
    database: str | None = None
    port: int = 0
    latency_ms: float = 0.0
    faults: list[Mapping[str, Any]] = field(default_factory=list)
    crm_sync: CrmSync | None = None
    client_id: str | None = None
    client_secret: str | None = None
    token_seconds: int = 3600
    permissions: frozenset[str] = ALL_PERMISSIONS
    sales_persons: frozenset[str] | None = None
    activity_delay_seconds: float = 0.0
    activity_scan: int = 600
    activity_retention_days: int | None = None
    log_unchanged: bool = True
    log_deletions: bool = True
    short_pages: float = 0.0
    exact_keys: bool = False
    refuse_delete_in_use: bool = False
    describe_role_dates: bool = False
    dialects: frozenset[str] = frozenset()
    clock: str | None = None
    journal_size: int = 20_000
    limits: LimitOptions = field(default_factory=LimitOptions)

    def __post_init__(self) -> None:
        if isinstance(self.limits, dict):
            self.limits = LimitOptions(**self.limits)
        self.dialects = frozenset(self.dialects)
        self.permissions = frozenset(self.permissions)
        _check_known("dialect", self.dialects, DIALECTS)
        _check_known("permission", self.permissions, sorted(ALL_PERMISSIONS))
        _check_known("crm_sync", {self.crm_sync} - {None}, get_args(CrmSync))


def _check_known(what: str, given: Iterable[str | None], known: Collection[str]) -> None:
    unknown = sorted(str(each) for each in given if each not in known)
    if unknown:
        raise ValueError(f"unknown {what} '{unknown[0]}': must be one of {', '.join(known)}")
