"""What Marketo's responses mean, as plain immutable values."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Record = dict[str, t.Any]
"""One record as Marketo sends or takes it: API field names to JSON values."""


class MarketoObject(enum.StrEnum):
    """The two objects of the opportunities API; the value is the name users type."""

    OPPORTUNITIES = "opportunities"
    OPPORTUNITY_ROLES = "opportunity_roles"

    @property
    def path(self) -> str:
        """The path below `/rest`, without `.json`, such as `/v1/opportunities`."""
        return _PATHS[self]


_PATHS = {
    MarketoObject.OPPORTUNITIES: "/v1/opportunities",
    MarketoObject.OPPORTUNITY_ROLES: "/v1/opportunities/roles",
}


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One field of an object, from describe."""

    name: str
    display_name: str
    data_type: str
    length: int | None = None
    updateable: bool = True


class _FieldsByName:
    """The fields of a description, by their API names."""

    __slots__ = ()
    fields: tuple[FieldDescription, ...]

    def field(self, name: str) -> FieldDescription | None:
        """Return the field of exactly this API name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def field_names(self) -> tuple[str, ...]:
        """API names of all fields, in describe's order."""
        return tuple(field.name for field in self.fields)


@dataclass(frozen=True, slots=True)
class ObjectDescription(_FieldsByName):
    """An object's keys and fields, from describe."""

    name: str
    id_field: str
    dedupe_fields: tuple[str, ...]
    searchable_fields: tuple[tuple[str, ...], ...]
    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class LeadDescription(_FieldsByName):
    """The fields of leads by their REST names, from the leads' describe."""

    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a read call.

    `records` are as Marketo sent them, loosely typed, `seq` included. `more` is Marketo's
    `moreResult`, None where the response has none: a page may hold few or no records and still not
    be the last. See `marketo_opps.paging`. `request_id` and `call`, what was called, are for error
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
    """Why a record or a call was refused: Marketo's code (a string) and its words."""

    code: str
    message: str

    def __str__(self) -> str:
        return self.message if self.code == NO_CODE else f"{self.code} {self.message}"


# An undocumented status is not a success.
_ACCEPTED = frozenset({"created", "updated", "deleted"})


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one input record of a sync or delete call.

    `seq` is the index of the input record; `status` is created, updated, deleted or skipped. One
    that was not accepted has at least one reason.
    """

    seq: int
    status: str
    marketo_guid: str | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def accepted(self) -> bool:
        """True if Marketo did what was asked."""
        return self.status in _ACCEPTED


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of one sync or delete call.

    `results` has exactly one entry for each input record, in the order of the input.
    `ambiguous` says that an earlier attempt of this call was sent and may have been executed
    (its response was lost, timed out or transient); `first_sent_at` is when the first attempt
    was sent, by Marketo's clock.
    """

    results: Sequence[RecordResult]
    request_id: str | None
    ambiguous: bool
    first_sent_at: datetime


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Calls made by one client so far.

    `calls` counts every request sent to `/rest` (retries included), `retries` those that repeated
    a failed one. Requests to identity, which Marketo does not count, are in neither. The seconds
    that calls waited are summed over all threads: for a place in the limits, and to be repeated.
    """

    calls: int = 0
    retries: int = 0
    seconds_waited_for_limits: float = 0.0
    seconds_waited_to_retry: float = 0.0
