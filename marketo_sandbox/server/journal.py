"""The journal: every call, with its time, parameters and outcome."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_PARAMETER_CHARACTERS = 2_000
SECRETS = frozenset({"client_secret", "access_token", "nextPageToken"})


@dataclass(slots=True)
class Entry:
    """One call.

    Attributes:
        seq: the number of the call, from 1.
        started, ended: real seconds on a monotonic clock; ``ended`` is None while in flight.
        started_at, ended_at: seconds since 1970.
        clock: the instance's own clock when the call came, seconds since 1970.
        method: as sent.
        path: without the query.
        operation: name of the route's operation, or None for an unknown route.
        parameters: of query and form, and the scalar members of a JSON body; no secrets.
        asked: number of filter values, or of records sent.
        keys: the dedupe keys or ids of the records sent, one a line.
        answered: number of records in ``result``.
        statuses: number of results by status, of a write.
        reasons: number of record-level reasons by code.
        http_status: None when the connection was cut.
        codes: of a response-level error.
        in_flight: number of calls in flight when this one came, itself included.
        fault: name of the injected fault, if any.
        request_bytes, response_bytes: of the bodies.
        request_id: of the response.
        user_agent: of the caller.
    """

    seq: int
    started: float
    started_at: float
    clock: float
    method: str
    path: str
    operation: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    keys: str = ""
    answered: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    http_status: int | None = None
    codes: list[str] = field(default_factory=list)
    in_flight: int = 0
    fault: str | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    request_id: str | None = None
    user_agent: str = ""
    ended: float | None = None
    ended_at: float | None = None

    def record_request(
        self, loggable: dict[str, Any], parameters: Mapping[str, Any], *, writes: bool
    ) -> None:
        """Record what the call asks for, once its parameters are read."""
        self.parameters = loggable
        records = parameters.get("input")
        if isinstance(records, list):
            self.asked = len(records)
            self.keys = "\n".join(_key(record) for record in records) if writes else ""
        elif "filterValues" in parameters:
            self.asked = str(parameters["filterValues"]).count(",") + 1

    def record_result(self, result: Sequence[Mapping[str, Any]], *, writes: bool) -> None:
        """Record the members of ``result``."""
        self.answered = len(result)
        if writes:
            self.statuses = dict(Counter(each["status"] for each in result))
            reasons = (reason["code"] for each in result for reason in each.get("reasons", ()))
            self.reasons = dict(Counter(reasons))

    @property
    def outcome(self) -> str:
        """Return ``ok``, ``in flight``, ``cut``, the response-level codes or the HTTP status."""
        if self.ended is None:
            return "in flight"
        if self.http_status is None:
            return "cut"
        if self.codes:
            return ",".join(self.codes)
        return "ok" if self.http_status == 200 else f"HTTP {self.http_status}"  # noqa: PLR2004 - HTTP's own

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as the control endpoint shows it."""
        members = {name: getattr(self, name) for name in self.__slots__}
        keys = members.pop("keys")
        return {**members, "keys": keys.split("\n") if keys else [], "outcome": self.outcome}


class Journal:
    """Keep the last calls, and count all of them.

    Args:
        size: maximum number of calls kept.
    """

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._seq = 0
        self.outcomes: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()

    def begin(self, **members: Any) -> Entry:
        """Add an entry for a call that has come."""
        self._seq += 1
        entry = Entry(seq=self._seq, started=time.monotonic(), started_at=time.time(), **members)
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry) -> None:
        """Record the end of a call."""
        entry.ended, entry.ended_at = time.monotonic(), time.time()
        self.outcomes[entry.outcome] += 1
        self.operations[entry.operation or entry.path] += 1

    def entries(self, since: int = 0) -> list[Entry]:
        """Return the calls kept whose number is greater than ``since``, oldest first."""
        # Copied first, in one step: calls go on coming while another thread reads.
        return [entry for entry in list(self._entries) if entry.seq > since]

    def clear(self) -> None:
        """Clear entries and counts; numbering continues."""
        self._entries.clear()
        self.outcomes.clear()
        self.operations.clear()

    @property
    def first(self) -> int:
        """Return the number of the oldest call kept, or the next number if there is none."""
        return self._entries[0].seq if self._entries else self._seq + 1

    @property
    def calls(self) -> int:
        """Return the number of calls ever received."""
        return self._seq


def loggable_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters without secrets and bulk."""
    loggable = {}
    for name, value in parameters.items():
        if name in SECRETS:
            loggable[name] = "..."
        elif isinstance(value, str | int | float | bool) or name == "fields":
            loggable[name] = value[:MAX_PARAMETER_CHARACTERS] if isinstance(value, str) else value
    return loggable


def _key(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    names = ("externalOpportunityId", "leadId", "role")
    members = [str(record[name]) for name in names if name in record]
    return "|".join(members) or str(record.get("marketoGUID", ""))
