"""Injected faults: what goes wrong, on which calls, how often; repeatable from its seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import DAY_SECONDS
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
# These strike a call whose work has been done.
AFTER_ALWAYS = frozenset({"cut_after_write", "truncated_body", PATCH, WIRE})
DEFAULT_PATH = "/rest/*"
_TYPES = {
    "path": optional(TEXT),
    "method": optional(TEXT),
    "operation": optional(TEXT),
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
    """A rule for injecting a fault.

    ``answer`` puts another answer in the place of the real one, ``patch`` changes the real one,
    and ``wire`` decides how it gets onto the wire. The members from ``status`` on serve these
    three, and may be given with every other fault that answers at all.

    Attributes:
        fault: a Marketo code, ``http_500`` and the like, or one of ``OTHER_FAULTS``.
        path: calls whose path matches this pattern (``*`` stands for anything); by default every
            call of ``operation``, or without one every call but those of identity.
        method: only this method; a ``POST`` with ``_method=GET`` is a ``GET``.
        operation: only this operation, by its name in the journal.
        probability: of a matching call's being struck.
        times: maximum number of calls; None for no maximum.
        skip: number of matching calls that pass first.
        seconds: for ``slow``, the additional latency; with ``drip``, the time from byte to byte.
        after: do the call's work before the fault strikes.
        message: with a code, the message instead of the usual one.
        status: the HTTP status.
        headers: headers to set; null leaves out one that is sent otherwise.
        body: of an ``answer``: a text as it is, anything else as JSON.
        merge: JSON merge patch (RFC 7396) of the answer's envelope.
        at: JSON pointer to the list that ``each``, ``drop`` and ``add`` change.
        where: only members of that list that have these values.
        each: JSON merge patch of these members.
        drop: remove these members.
        add: members to add at the list's end.
        raw: everything that is sent, status line and all, as latin-1; then the connection closes.
        drip: send byte by byte, from the headers or from the body on.
        cut_at: number of bytes, headers included, after which the connection closes.
        struck: number of calls struck so far.
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
            raise ValueError(f"unknown fault '{self.fault}': a Marketo code, or one of {names}")
        validate(_TYPES, {name: getattr(self, name) for name in _TYPES})
        changed = self.changes_json or self.status is not None or self.headers
        if self.at and not self.at.startswith("/"):
            raise ValueError(f"at must be a JSON pointer such as /result, not {self.at!r}")
        if (self.fault == PATCH and not changed) or (self.fault == WIRE and not self.by_hand):
            raise ValueError(f"a fault '{self.fault}' that changes nothing")
        self.after = self.after or self.fault in AFTER_ALWAYS

    @classmethod
    def from_mapping(cls, rule: Mapping[str, Any]) -> FaultRule:
        """Return a rule from its members.

        Raises:
            ValueError: for an unknown member or an invalid value.
        """
        unknown = set(rule) - {each.name for each in fields(cls)}
        if unknown or "fault" not in rule:
            raise ValueError(f"not a fault rule: {sorted(unknown) or 'no member fault'}")
        return cls(**rule)

    @property
    def exhausted(self) -> bool:
        """Return True once ``times`` is reached."""
        return self.times is not None and self.struck >= self.times

    def matches(self, method: str, path: str, operation: str | None) -> bool:
        """Return True for a call that the rule applies to."""
        return (
            self.method in {None, method}
            and self.operation in {None, operation}
            and fnmatchcase(path, self._pattern)
        )

    @property
    def changes_json(self) -> bool:
        """Return True if the answer's JSON is to be changed."""
        return bool(self.merge or self.each or self.drop or self.add)

    @property
    def by_hand(self) -> bool:
        """Return True if the answer is to be written onto the wire byte for byte."""
        return self.raw is not None or self.drip is not None or self.cut_at is not None

    @property
    def _pattern(self) -> str:
        if self.path is not None:
            return self.path
        return DEFAULT_PATH if self.operation is None else "*"


class FaultInjector:
    """Decide which calls are struck by a fault; the first rule that matches and strikes decides.

    Args:
        source: decides on probabilities.
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._rules: list[FaultRule] = []

    def add(self, **rule: Any) -> FaultRule:
        """Add a rule; see ``FaultRule`` for its members."""
        fault = FaultRule.from_mapping(rule)
        self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every rule."""
        self._rules.clear()

    def strike(self, method: str, path: str, operation: str | None) -> FaultRule | None:
        """Return the rule that strikes a call, if any."""
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
        """Return the rules as mappings, for the control endpoint and the start page."""
        return [asdict(rule) for rule in self._rules]
