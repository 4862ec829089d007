"""Represent the result of mapping a record: what is sent to Marketo, or why it is invalid."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from marketo_opps import Reason

MISSING_VALUE = "1002"
INVALID_DATA = "1003"
UNKNOWN_FIELD = "1006"
TOO_LARGE = "413"


class RecordError(Exception):
    """An invalid record; it is rejected, and the run continues.

    Args:
        reasons: why it is invalid, in the form of Marketo's reasons.
    """

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__()


class MappedRecord(t.NamedTuple):
    """A record in the form in which it is sent to Marketo.

    Attributes:
        key: key in comparable form.
        ordering_keys: ids that decide which records keep their order: records that share one must
            reach Marketo in order of arrival.
        body: compact UTF-8 JSON; for a delete, the key only.
        lead_value: value by which the lead of a role is looked up; key and body lack the lead ID
            until the lead is found. None for other records.
    """

    key: Hashable
    ordering_keys: tuple[Hashable, ...]
    body: bytes
    lead_value: str | None = None
