"""Options of an instance and of its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    "tokens-only": "pages of queries carry nextPageToken, also the last, and no moreResult",
    "api-names": "describe says apiName instead of name",
    "full-envelope": "errors and warnings are in every envelope, if need be empty",
    "nameless-inserts": "an opportunity is created without a name",
    "offsets": "dates of activities end in +0000 instead of Z",
    "role-parent-1013": "a role without its opportunity is 1013 instead of 1004",
}
"""What Adobe's pages leave open, played the other way than in the recorded answers known."""

CrmSync = Literal["read-only", "disabled"]


@dataclass
class LimitOptions:
    """Limits of the subscription; the defaults are those that Adobe prints."""

    enforced: bool = True
    calls_per_window: int = 100
    window_seconds: float = 20.0
    concurrent_calls: int = 10
    daily_calls: int = 50_000
    # "1 MB" and "8 KB" in the stricter reading: a client within these is within the wider ones.
    max_body_bytes: int = 1_000_000
    max_uri_bytes: int = 8_000


@dataclass
class SandboxOptions:
    """Options of an instance.

    Attributes:
        opportunities: number of opportunities to seed.
        leads: number of leads to seed; by default half as many as opportunities.
        seed: the random seed of records, GUIDs and faults.
        database: file that keeps the instance; without one it lasts as long as the process.
        port: 0 for any free one.
        latency_ms: minimum duration of a call.
        faults: fault rules, as the control endpoint takes them.
        crm_sync: a native CRM sync owns the opportunities: they can be read, or not at all.
        token_seconds: the life of an access token.
        permissions: what the API user's role allows.
        sales_persons: valid values of ``externalSalesPersonId``; None for any.
        activity_delay_seconds: time from an activity's date until it becomes visible.
        activity_scan: number of activities that one call looks at, matching or not.
        activity_retention_days: age at which activities are purged; by default each type's own.
        log_unchanged: log an update that changes no value.
        log_deletions: log that a deleted opportunity's roles are gone.
        short_pages: probability of a page with fewer records than it could hold.
        exact_keys: compare keys with case and trailing blanks.
        refuse_delete_in_use: refuse to delete an opportunity with roles (1022).
        describe_role_dates: list createdAt and updatedAt in the roles' describe, unlike the one
            that Adobe prints.
        dialects: names of ``DIALECTS``.
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
        unknown = sorted(self.dialects - DIALECTS.keys())
        if unknown:
            raise ValueError(f"unknown dialect '{unknown[0]}': one of {', '.join(DIALECTS)}")
