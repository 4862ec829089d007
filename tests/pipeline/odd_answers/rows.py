"""What a row of the table says: what is odd, in which call, and what must come of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from tests.pipeline.odd_answers.messages import DEALS

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_sandbox.server.server import SandboxServer

Rule = dict[str, t.Any]

IDENTITY = "identity"
DESCRIBE, DESCRIBE_ROLE = "describe opportunity", "describe role"
QUERY, QUERY_ROLE = "query opportunity", "query role"
TYPES, PAGING_TOKEN, LOG = "activity_types", "paging_token", "activities"
FIELDS, USAGE = "fields", "usage"
SYNC, SYNC_ROLE, DELETE = "sync opportunity", "sync role", "delete opportunity"

REQUEST_ID = "13#odd"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"


@dataclass(frozen=True)
class Well:
    """Exit 0, and all that there is has arrived.

    Attributes:
        told: words of the log lines.
        lacking: keys of what is left out, or rejected, and told.
        extra: external ids of what is not the instance's, and yet was in its answers.
        nulls: fields that come as null wherever the answer's value was none.
        roles: False where roles cannot be read or written.
    """

    told: tuple[str, ...] = ()
    lacking: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    nulls: frozenset[str] = frozenset()
    roles: bool = True


@dataclass(frozen=True)
class Refused:
    """Another exit than 0, with one sentence.

    Attributes:
        what: words of that sentence: what is wrong, Marketo's code and requestId if it gave any.
        remedy: words of it that say what to do.
        lacking: keys of what was rejected before the end, and told.
    """

    what: tuple[str, ...]
    remedy: str
    lacking: frozenset[str] = frozenset()


Outcome = Well | Refused


@dataclass(frozen=True)
class Row:
    """One odd answer.

    Attributes:
        name: a sentence that says what is odd.
        rules: fault rules of the instance, as the sandbox takes them.
        tap, target: what must come of it; None where the plugin makes no such call.
        both: of both of them.
        open: what Adobe's pages leave open that this row plays one way of.
        options: of the instances, as `SandboxOptions` has them.
        tap_settings, target_settings: besides credentials, and what finds everything.
        find: `activities` or `filter`.
        selects: streams of the tap besides those that are selected by themselves.
        messages: the target's input.
        prepare: changes made to each instance beforehand.
        secrets: texts that must not be told either.
        pending: what has to be there before this can come out as it must.
        long: takes too long for `make test`.
    """

    name: str
    rules: Sequence[Rule] = ()
    tap: Outcome | None = None
    target: Outcome | None = None
    both: Outcome | None = None
    open: str = ""
    options: Mapping[str, t.Any] = field(default_factory=dict)
    tap_settings: Mapping[str, t.Any] = field(default_factory=dict)
    target_settings: Mapping[str, t.Any] = field(default_factory=dict)
    find: str = "activities"
    selects: tuple[str, ...] = ()
    messages: Sequence[Mapping[str, t.Any]] = DEALS
    prepare: Callable[[SandboxServer], None] = lambda _sandbox: None
    secrets: tuple[str, ...] = ()
    pending: str = ""
    long: bool = False

    @property
    def of_tap(self) -> Outcome | None:
        """What must come of the tap's run; None if the row does not concern it."""
        return self.tap or self.both

    @property
    def of_target(self) -> Outcome | None:
        """What must come of the target's run; None if the row does not concern it."""
        return self.target or self.both


def answer(operation: str, body: t.Any = None, **more: t.Any) -> Rule:
    """Another answer in the place of the real one."""
    return {"fault": "answer", "operation": operation, "body": body, **more}


def success(operation: str, **members: t.Any) -> Rule:
    """Another envelope in the place of the real one."""
    return answer(operation, {"requestId": REQUEST_ID, "success": True, **members})


def patch(operation: str | None, **more: t.Any) -> Rule:
    """The real answer, changed; its requestId is known if its envelope is changed."""
    if "merge" in more:
        more["merge"] = {"requestId": REQUEST_ID, **more["merge"]}
    return {"fault": "patch", "operation": operation, **more}


def code(number: int | str, operation: str, **more: t.Any) -> Rule:
    """A code of Marketo's, with a requestId that is known."""
    merge = {"requestId": REQUEST_ID, **more.pop("merge", {})}
    return {"fault": str(number), "operation": operation, "merge": merge, **more}


def once(rule: Rule, skip: int = 0) -> Rule:
    """Strike one call alone."""
    return {**rule, "times": 1, "skip": skip}
