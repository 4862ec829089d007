"""Injected faults: what goes wrong, on which calls, how often; repeatable from its seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.server.validation import FLAG, TEXT, integer, number, optional, validate

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

HTTP_FAULTS = {"http_500": 500, "http_502": 502, "http_503": 503, "http_504": 504}
CUTS = frozenset({"cut_before", "cut_after_write"})
OTHER_FAULTS = CUTS | frozenset(
    {
        "html",
        "truncated_body",
        "drop_keep_alive",
        "slow",
        "expire_tokens",
        "expire_page_tokens",
    }
)
_TYPES = {
    "path": TEXT,
    "method": optional(TEXT),
    "operation": optional(TEXT),
    "probability": number(0, 1),
    "times": optional(integer(0)),
    "skip": integer(0),
    "seconds": number(0, DAY_SECONDS),
    "after": FLAG,
    "status": integer(200, 599),
    "message": optional(TEXT),
    "struck": integer(0),
}


@dataclass
class FaultRule:
    """A rule for injecting a fault.

    Attributes:
        fault: a Marketo code, ``http_500`` and the like, or one of ``OTHER_FAULTS``.
        path: calls whose path matches this pattern (``*`` stands for anything).
        method: only this method; a ``POST`` with ``_method=GET`` is a ``GET``.
        operation: only this operation, by its name in the journal.
        probability: of a matching call's being struck.
        times: maximum number of calls; None for no maximum.
        skip: number of matching calls that pass first.
        seconds: for ``slow``, the additional latency.
        after: do the call's work before the fault strikes.
        status: for ``html``, the HTTP status.
        message: with a code, the message instead of the usual one.
        struck: number of calls struck so far.
    """

    fault: str
    path: str = "/rest/*"
    method: str | None = None
    operation: str | None = None
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    seconds: float = 1.0
    after: bool = False
    status: int = 502
    message: str | None = None
    struck: int = 0

    def __post_init__(self) -> None:
        self.fault = str(self.fault)
        known = self.fault.isdecimal() or self.fault in HTTP_FAULTS or self.fault in OTHER_FAULTS
        if not known:
            names = ", ".join(sorted({*HTTP_FAULTS, *OTHER_FAULTS}))
            raise ValueError(f"unknown fault '{self.fault}': a Marketo code, or one of {names}")
        validate(_TYPES, {name: getattr(self, name) for name in _TYPES})
        self.after = self.after or self.fault in {"cut_after_write", "truncated_body"}

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
            and fnmatchcase(path, self.path)
        )


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
