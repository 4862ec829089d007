"""How an instance is set up, and what of it may be changed while it runs."""

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
    }
)

CrmSync = Literal["read-only", "disabled"]


@dataclass
class LimitOptions:
    """The limits of the subscription, counted as Adobe prints them unless told otherwise."""

    enforced: bool = True
    calls_per_window: int = 100
    window_seconds: float = 20.0
    concurrent_calls: int = 10
    daily_calls: int = 50_000
    # "1 MB" and "8 KB" in the stricter reading: who keeps these keeps the wider ones too.
    max_body_bytes: int = 1_000_000
    max_uri_bytes: int = 8_000


@dataclass
class SandboxOptions:
    """Everything that an instance can be told when it is made.

    Attributes:
        opportunities: how many to seed.
        leads: how many leads to seed; by default half as many as opportunities.
        seed: what the seeded records, GUIDs and random faults are derived from.
        database: a file to keep the instance in; without one it lives as long as the process.
        port: 0 takes a free one.
        latency_ms: how long each call takes at least.
        faults: rules, as the control endpoint takes them.
        crm_sync: a native CRM sync owns the opportunities: reads allowed, or nothing.
        token_seconds: the life of an access token.
        permissions: what the API user's role allows.
        sales_persons: ids that ``externalSalesPersonId`` may have; None lets any pass.
        activity_delay_seconds: how long after its date an activity becomes visible.
        activity_scan: how many entries of the log one call looks at, wanted or not.
        activity_retention_days: how long the log goes back.
        short_pages: probability that a page of records holds fewer than it could.
        exact_keys: tell keys apart by case and trailing blanks.
        refuse_delete_in_use: an opportunity with roles cannot be deleted (1022).
        describe_role_dates: let the roles' describe list createdAt and updatedAt, which the one
            that Adobe prints does not.
        clock: where the instance's clock begins (ISO 8601); by default the real time.
        journal_size: how many calls the journal keeps.
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
    activity_retention_days: int = 90
    short_pages: float = 0.0
    exact_keys: bool = False
    refuse_delete_in_use: bool = False
    describe_role_dates: bool = False
    clock: str | None = None
    journal_size: int = 20_000
    limits: LimitOptions = field(default_factory=LimitOptions)

    def __post_init__(self) -> None:
        if isinstance(self.limits, dict):
            self.limits = LimitOptions(**self.limits)
