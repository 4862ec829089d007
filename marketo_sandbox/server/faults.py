"""Faults on order: what goes wrong, on which calls, how often; repeatable from its seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.server.validation import FLAG, TEXT, check, number, optional, whole

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
_KINDS = {
    "path": TEXT,
    "method": optional(TEXT),
    "operation": optional(TEXT),
    "probability": number(0, 1),
    "times": optional(whole(0)),
    "skip": whole(0),
    "seconds": number(0, DAY_SECONDS),
    "after": FLAG,
    "status": whole(200, 599),
    "message": optional(TEXT),
    "struck": whole(0),
}


@dataclass
class Fault:
    """One rule.

    Attributes:
        fault: a Marketo code, ``http_500`` and the like, or one of ``OTHER_FAULTS``.
        path: calls whose path matches this pattern (``*`` stands for anything).
        method: only this method; a ``POST`` with ``_method=GET`` is a ``GET``.
        operation: only this operation, by its name in the journal.
        probability: how likely a matching call is struck.
        times: how many calls at most; None for no end.
        skip: so many matching calls pass first.
        seconds: for ``slow``, how long the call takes in addition.
        after: the work is done before the fault strikes.
        status: for ``html``, the HTTP status.
        message: with a code, another message than the usual one.
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
        check(_KINDS, {name: getattr(self, name) for name in _KINDS})
        self.after = self.after or self.fault in {"cut_after_write", "truncated_body"}

    @classmethod
    def from_mapping(cls, rule: Mapping[str, Any]) -> Fault:
        """A rule as the control endpoint takes it.

        Raises:
            ValueError: for a member that no rule has, or a value that none may have.
        """
        unknown = set(rule) - {each.name for each in fields(cls)}
        if unknown or "fault" not in rule:
            raise ValueError(f"not a fault rule: {sorted(unknown) or 'no member fault'}")
        return cls(**rule)

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.times is not None and self.struck >= self.times

    def matches(self, method: str, path: str, operation: str | None) -> bool:
        """Whether a call is one of those that this rule is for."""
        return (
            self.method in {None, method}
            and self.operation in {None, operation}
            and fnmatchcase(path, self.path)
        )


class Faults:
    """The rules in force; the first that matches and strikes decides.

    Args:
        source: for the probabilities.
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._rules: list[Fault] = []

    def order(self, **rule: Any) -> Fault:
        """Add a rule; see ``Fault`` for its members."""
        fault = Fault.from_mapping(rule)
        self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Take every rule back."""
        self._rules.clear()

    def strike(self, method: str, path: str, operation: str | None) -> Fault | None:
        """The fault that hits this call, if any."""
        for rule in list(self._rules):
            if rule.spent or not rule.matches(method, path, operation):
                continue
            if rule.skip > 0:
                rule.skip -= 1
            elif self._source.random() < rule.probability:
                rule.struck += 1
                return rule
        return None

    def listed(self) -> list[dict[str, Any]]:
        """The rules, for the control endpoint and the start page."""
        return [asdict(rule) for rule in self._rules]
