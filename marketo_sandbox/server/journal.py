"""The journal: one entry for each call, with its time, parameters and outcome."""

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
    """One call in the journal.

    Attributes:
        seq: number of the call, counted from 1.
        started, ended: real seconds on a monotonic clock; ``ended`` is None while in flight.
        started_at, ended_at: real time in seconds since 1970.
        clock: the instance's own clock when the call arrived, in seconds since 1970.
        method: HTTP method as sent.
        path: path without the query string.
        operation: name of the route's operation, or None for an unknown route.
        parameters: parameters of query string and form, and scalar members of a JSON body;
            secrets are masked.
        asked: number of filter values, compound keys or records in the request.
        keys: dedupe keys or ids of the records in a write, one per line.
        answered: number of records in ``result`` of the response.
        statuses: number of records of a write by status, such as "created".
        reasons: number of reasons of skipped records, by error code.
        http_status: HTTP status of the response, or None if the connection was cut.
        codes: codes of a response-level error.
        in_flight: number of calls in flight when this one arrived, including this one.
        fault: name of the injected fault, if any.
        request_bytes, response_bytes: sizes of the bodies.
        request_id: ``requestId`` of the response.
        user_agent: the client's header ``user-agent``.
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
        """Store the parameters of a call in this entry, with the number and keys of its records.

        Args:
            loggable: the parameters to show in the journal.
            parameters: all parameters.
            writes: True if the operation changes records.
        """
        self.parameters = loggable
        records = parameters.get("input")
        if isinstance(records, list):
            self.asked = len(records)
            self.keys = "\n".join(_key(record) for record in records) if writes else ""
        elif "filterValues" in parameters:
            self.asked = str(parameters["filterValues"]).count(",") + 1

    def record_result(self, result: Sequence[Mapping[str, Any]], *, writes: bool) -> None:
        """Store in this entry how many records the response has and, for a write, their outcomes.

        Args:
            result: the list ``result`` of the response.
            writes: True if the operation changes records.
        """
        self.answered = len(result)
        if writes:
            self.statuses = dict(Counter(each["status"] for each in result))
            reasons = (reason["code"] for each in result for reason in each.get("reasons", ()))
            self.reasons = dict(Counter(reasons))

    @property
    def outcome(self) -> str:
        """Return the outcome of the call as text.

        The outcome is ``ok``, ``in flight``, ``cut`` for a cut connection, the response-level
        error codes, or ``HTTP`` with the status.
        """
        if self.ended is None:
            return "in flight"
        if self.http_status is None:
            return "cut"
        if self.codes:
            return ",".join(self.codes)
        return "ok" if self.http_status == 200 else f"HTTP {self.http_status}"  # noqa: PLR2004 - HTTP's own

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as a JSON object, as the control call ``journal`` shows it."""
        members = {name: getattr(self, name) for name in self.__slots__}
        keys = members.pop("keys")
        return {**members, "keys": keys.split("\n") if keys else [], "outcome": self.outcome}


class Journal:
    """Keep the entries of the last calls, and count all calls by outcome and operation.

    Args:
        size: maximum number of entries to keep.
    """

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._seq = 0
        self.outcomes: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()

    def begin(self, **members: Any) -> Entry:
        """Add an entry with the given attributes to the journal when a call arrives; return it."""
        self._seq += 1
        entry = Entry(seq=self._seq, started=time.monotonic(), started_at=time.time(), **members)
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry) -> None:
        """Set the end time of a call's entry, and count the call by outcome and operation."""
        entry.ended, entry.ended_at = time.monotonic(), time.time()
        self.outcomes[entry.outcome] += 1
        self.operations[entry.operation or entry.path] += 1

    def entries(self, since: int = 0, operation: str | None = None) -> list[Entry]:
        """Return the entries of calls with numbers above ``since``, oldest first.

        Args:
            since: number of a call; only later calls are returned.
            operation: name of the operation whose calls are returned; None for all calls.
        """
        # Copied first in one step, as calls keep arriving while another thread reads.
        later = [entry for entry in list(self._entries) if entry.seq > since]
        return [entry for entry in later if operation in {None, entry.operation}]

    def clear(self) -> None:
        """Remove all journal entries and counts; the numbering of calls continues."""
        self._entries.clear()
        self.outcomes.clear()
        self.operations.clear()

    @property
    def first(self) -> int:
        """Return the number of the oldest call in the journal.

        If the journal is empty, return the number that the next call will get.
        """
        return self._entries[0].seq if self._entries else self._seq + 1

    @property
    def calls(self) -> int:
        """Return how many calls the server has received since it started."""
        return self._seq


def loggable_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a call's parameters as the journal shows them: no records, and secrets masked."""
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
