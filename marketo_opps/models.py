"""Marketo's objects, fields, pages and results as plain immutable values."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Record = dict[str, t.Any]
"""One record in Marketo's form: API field names to JSON values."""


class MarketoObject(enum.StrEnum):
    """The two objects of the opportunities API; the values are the names that users type."""

    OPPORTUNITIES = "opportunities"
    OPPORTUNITY_ROLES = "opportunity_roles"

    @property
    def path(self) -> str:
        """Return the path of this object's REST endpoints, such as `/v1/opportunities`."""
        return _PATHS[self]


_PATHS = {
    MarketoObject.OPPORTUNITIES: "/v1/opportunities",
    MarketoObject.OPPORTUNITY_ROLES: "/v1/opportunities/roles",
}


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """Metadata of one field of opportunities, roles or leads, from Marketo's describe."""

    name: str
    display_name: str
    data_type: str
    length: int | None = None
    updateable: bool = True


class _FieldsByName:
    """Base class of `ObjectDescription` and `LeadDescription`, to find a field by its API name."""

    __slots__ = ()
    fields: tuple[FieldDescription, ...]

    def field(self, name: str) -> FieldDescription | None:
        """Return the field with exactly this API name; None if the object has no such field."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Return the API names of all fields, in the order in which describe lists them."""
        return tuple(field.name for field in self.fields)


@dataclass(frozen=True, slots=True)
class ObjectDescription(_FieldsByName):
    """Keys and fields of opportunities or roles, as Marketo's describe returns them."""

    name: str
    id_field: str
    dedupe_fields: tuple[str, ...]
    searchable_fields: tuple[tuple[str, ...], ...]
    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class LeadDescription(_FieldsByName):
    """The fields of leads with their REST names, as the leads' describe returns them."""

    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of Marketo's records: of a query, a static list or the activity log.

    `records` are unchanged from Marketo: loosely typed, with `seq`. `more` is Marketo's
    `moreResult`, None if the response has none; a page with few or no records need not be the last
    one. See `marketo_opps.paging`. `request_id` and `call`, the name of the call, are for error
    texts.
    """

    records: list[Record]
    next_page_token: str | None
    more: bool | None
    request_id: str | None
    call: str = "a query"


NO_CODE = "none"
"""Stands for Marketo's code in a reason that Marketo gave without one."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why Marketo refused a record or a call: its code (a string) and its message."""

    code: str
    message: str

    def __str__(self) -> str:
        return self.message if self.code == NO_CODE else f"{self.code} {self.message}"


# An undocumented status does not count as success.
_ACCEPTED = frozenset({"created", "updated", "deleted"})


class RecordResult(t.NamedTuple):
    """The outcome of one input record in a sync or delete call.

    `seq` is the index of the input record; `status` is created, updated, deleted or skipped. A
    record that was not accepted has at least one reason.
    """

    seq: int
    status: str
    marketo_guid: str | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def accepted(self) -> bool:
        """Return whether Marketo created, updated or deleted the record."""
        return self.status in _ACCEPTED


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of one sync or delete call.

    `results` has exactly one entry for each input record, in the order of the input. `ambiguous`
    is True if an earlier attempt of this call was sent and may have been executed: its response
    was lost, timed out or transient. `first_sent_at` is the time by Marketo's clock at which the
    first attempt was sent.
    """

    results: Sequence[RecordResult]
    request_id: str | None
    ambiguous: bool
    first_sent_at: datetime


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Number of calls that one client has made so far, and how long it waited.

    `calls` counts every request sent to `/rest` (retries included), `retries` those that repeated
    a failed one. Neither counts requests to the identity service, which need no quota. The waiting
    times are summed over all threads: for the rate and concurrency limits, and for retries.
    """

    calls: int = 0
    retries: int = 0
    seconds_waited_for_limits: float = 0.0
    seconds_waited_to_retry: float = 0.0
