"""Fault injection: rules that say which calls fail, how and how often."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.server.routes import OPERATIONS
from marketo_sandbox.server.validation import (
    ANYTHING,
    FLAG,
    OBJECT,
    TEXT,
    TEXTS,
    integer,
    list_of,
    number,
    one_of,
    optional,
    validate,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

HTTP_FAULTS = {"http_500": 500, "http_502": 502, "http_503": 503, "http_504": 504}
CUTS = frozenset({"cut_before", "cut_after_write"})
ANSWER, PATCH, WIRE = "answer", "patch", "wire"
OTHER_FAULTS = CUTS | frozenset(
    {
        ANSWER,
        PATCH,
        WIRE,
        "html",
        "truncated_body",
        "drop_keep_alive",
        "slow",
        "expire_tokens",
        "expire_page_tokens",
    }
)
# These faults apply after the call has been processed.
AFTER_ALWAYS = frozenset({"cut_after_write", "truncated_body", PATCH, WIRE})
DEFAULT_PATH = "/rest/*"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_TYPES = {
    "path": optional(TEXT),
    "method": optional(one_of(*METHODS)),
    "operation": optional(one_of(*OPERATIONS)),
    "probability": number(0, 1),
    "times": optional(integer(0)),
    "skip": integer(0),
    "seconds": number(0, DAY_SECONDS),
    "after": FLAG,
    "message": optional(TEXT),
    "status": optional(integer(200, 599)),
    "headers": TEXTS,
    "body": ANYTHING,
    "merge": OBJECT,
    "at": TEXT,
    "where": OBJECT,
    "each": OBJECT,
    "drop": FLAG,
    "add": list_of(ANYTHING),
    "raw": optional(TEXT),
    "drip": optional(one_of("headers", "body")),
    "cut_at": optional(integer(0)),
    "struck": integer(0),
}


@dataclass
class FaultRule:
    """A rule that says which fault is injected into which calls, and how often.

    The fault ``answer`` replaces the response, ``patch`` changes it, and ``wire`` changes how it is
    transmitted. The members from ``status`` on belong to these three faults, and may be combined
    with every other fault that sends a response.

    Attributes:
        fault: a Marketo error code, ``http_500`` and the like, or one of ``OTHER_FAULTS``.
        path: pattern of the paths of calls that match (``*`` matches anything); by default every
            path of ``operation``, or every path but identity's if no operation is given.
        method: only calls with this method; a ``POST`` with ``_method=GET`` counts as ``GET``.
        operation: only calls of this operation, by its name in the journal.
        probability: probability that the fault is injected into a matching call.
        times: maximum number of injections; None for no maximum.
        skip: number of matching calls to let pass first.
        seconds: additional latency of ``slow``; time between two bytes with ``drip``.
        after: True to process the call before the fault is injected.
        message: message for a Marketo error code, instead of the usual one.
        status: HTTP status code of the response.
        headers: headers to set; null removes a header that is sent by default.
        body: body of ``answer``: a string is sent as it is, any other value as JSON.
        merge: JSON merge patch (RFC 7396) to apply to the response.
        at: JSON pointer to the list that ``each``, ``drop`` and ``add`` change.
        where: restricts ``each`` and ``drop`` to list elements with these values.
        each: JSON merge patch to apply to the list elements.
        drop: True to remove the list elements.
        add: elements to append to the list.
        raw: bytes to send instead of the response, status line included, in latin-1; afterwards
            the connection is closed.
        drip: "headers" or "body": the part from which on the response is sent byte by byte.
        cut_at: number of bytes, headers included, after which the connection is closed.
        struck: number of calls into which the fault was injected so far.
    """

    fault: str
    path: str | None = None
    method: str | None = None
    operation: str | None = None
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    seconds: float = 1.0
    after: bool = False
    message: str | None = None
    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Any = None
    merge: Mapping[str, Any] = field(default_factory=dict)
    at: str = "/result"
    where: Mapping[str, Any] = field(default_factory=dict)
    each: Mapping[str, Any] = field(default_factory=dict)
    drop: bool = False
    add: Sequence[Any] = field(default_factory=list)
    raw: str | None = None
    drip: str | None = None
    cut_at: int | None = None
    struck: int = 0

    def __post_init__(self) -> None:
        self.fault = str(self.fault)
        known = self.fault.isdecimal() or self.fault in HTTP_FAULTS or self.fault in OTHER_FAULTS
        if not known:
            names = ", ".join(sorted({*HTTP_FAULTS, *OTHER_FAULTS}))
            raise ValueError(
                f"unknown fault '{self.fault}': must be a Marketo error code or one of {names}"
            )
        validate(_TYPES, {name: getattr(self, name) for name in _TYPES})
        changed = self.changes_json or self.status is not None or self.headers
        if self.at and not self.at.startswith("/"):
            raise ValueError(f"at must be a JSON pointer such as /result (got {self.at!r})")
        if self.fault == PATCH and not changed:
            members = "merge, each, drop, add, status, headers"
            raise ValueError(f"fault '{PATCH}' changes nothing: give at least one of {members}")
        if self.fault == WIRE and not self.changes_bytes:
            raise ValueError(f"fault '{WIRE}' changes nothing: give one of raw, drip, cut_at")
        self.after = self.after or self.fault in AFTER_ALWAYS

    @classmethod
    def from_mapping(cls, rule: Mapping[str, Any]) -> FaultRule:
        """Return a fault rule with the given members (the attributes of this class).

        Raises:
            ValueError: for an unknown member, an invalid value, or without a member ``fault``.
        """
        unknown = set(rule) - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(f"invalid fault rule: unknown members {', '.join(sorted(unknown))}")
        if "fault" not in rule:
            raise ValueError("invalid fault rule: missing member 'fault'")
        return cls(**rule)

    @property
    def exhausted(self) -> bool:
        """Return True if the rule's fault was injected ``times`` times, so it no longer applies."""
        return self.times is not None and self.struck >= self.times

    def matches(self, method: str, path: str, operation: str | None) -> bool:
        """Return True if the rule applies to calls with this method, path and operation."""
        return (
            self.method in {None, method}
            and self.operation in {None, operation}
            and fnmatchcase(path, self._pattern)
        )

    @property
    def changes_json(self) -> bool:
        """Return True if the rule has members that edit the JSON body of a response."""
        return bool(self.merge or self.each or self.drop or self.add)

    @property
    def changes_bytes(self) -> bool:
        """Return True if the rule changes how responses are sent: raw, drip or cut_at is set."""
        return self.raw is not None or self.drip is not None or self.cut_at is not None

    @property
    def _pattern(self) -> str:
        if self.path is not None:
            return self.path
        return DEFAULT_PATH if self.operation is None else "*"


class FaultInjector:
    """Hold the fault rules, and decide which fault, if any, is injected into a call.

    Args:
        source: random source for the rules' probabilities.
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._rules: list[FaultRule] = []

    def add(self, **rule: Any) -> FaultRule:
        """Add a fault rule with the given members (attributes of ``FaultRule``), and return it."""
        fault = FaultRule.from_mapping(rule)
        self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all fault rules."""
        self._rules.clear()

    def strike(self, method: str, path: str, operation: str | None) -> FaultRule | None:
        """Return the fault rule to apply to a call, or None; add one to the rule's ``struck``.

        The rule is the first one that matches the call and whose skip, times and probability allow
        an injection.

        Args:
            method: the call's effective method.
            path: the call's path.
            operation: name of the call's operation, or None for an unknown path.
        """
        for rule in list(self._rules):
            if rule.exhausted or not rule.matches(method, path, operation):
                continue
            if rule.skip > 0:
                rule.skip -= 1
            elif self._source.random() < rule.probability:
                rule.struck += 1
                return rule
        return None

    def to_list(self) -> list[dict[str, Any]]:
        """Return the fault rules as JSON objects, for the control calls and the start page."""
        return [asdict(rule) for rule in self._rules]
