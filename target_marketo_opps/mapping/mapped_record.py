"""What comes of mapping a record: the record as Marketo takes it, or the reasons against it."""

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
    """An invalid record; it is rejected, and the run goes on.

    Args:
        reasons: in Marketo's form.
    """

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__()


class MappedRecord(t.NamedTuple):
    """A record as Marketo takes it.

    Attributes:
        key: in the form in which keys are compared.
        ordering_keys: keys whose records must reach Marketo in the order of arrival.
        body: compact UTF-8 JSON; of a delete the key alone.
        lead_value: by which the lead of a role is looked up; key and body lack its id until then.
    """

    key: Hashable
    ordering_keys: tuple[Hashable, ...]
    body: bytes
    lead_value: str | None = None
