"""Rows of the table: a malformed response, the call that gets it, and the expected outcome."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from tests.pipeline.malformed_responses.messages import DEALS

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
    """The expected outcome that a run exits with 0 and loses nothing.

    Attributes:
        told: texts that the log lines must have.
        lacking: keys of records that are left out or rejected, with a log line.
        extra: external ids of records that are in responses but not in the instance.
        nulls: fields that are null because the value in the response was invalid.
        roles: False if roles cannot be read or written.
    """

    told: tuple[str, ...] = ()
    lacking: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    nulls: frozenset[str] = frozenset()
    roles: bool = True


@dataclass(frozen=True)
class Refused:
    """The expected outcome that a run exits with a non-zero status and one sentence.

    Attributes:
        what: texts of the sentence: the problem, and Marketo's code and requestId if known.
        remedy: texts of the sentence that say what to do.
        lacking: keys of records that were rejected before the exit, with a log line.
    """

    what: tuple[str, ...]
    remedy: str
    lacking: frozenset[str] = frozenset()


Outcome = Well | Refused


@dataclass(frozen=True)
class Row:
    """One malformed response.

    Attributes:
        name: description of the malformed response.
        rules: fault rules of the instance.
        tap, target: expected outcome; None if the plugin does not make the call.
        both: expected outcome of tap and target.
        open: name of undocumented behaviour of which this row is one variant.
        options: options of the instances, as in `SandboxOptions`.
        tap_settings, target_settings: settings other than credentials and `find_by`.
        find: value of the tap's setting `find_by`: `activities` or `filter`.
        selects: streams to select in addition to those selected by default.
        messages: input of the target.
        prepare: function that changes each instance before the run.
        secrets: additional texts that must not be in any output.
        pending: reason why the row is expected to fail at present.
        long: True if the row takes too long for `make test`.
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
        """Return the expected outcome of the tap, or None if the row does not concern it."""
        return self.tap or self.both

    @property
    def of_target(self) -> Outcome | None:
        """Return the expected outcome of the target, or None if the row does not concern it."""
        return self.target or self.both


def answer(operation: str, body: t.Any = None, **more: t.Any) -> Rule:
    """Return a rule that replaces the response to an operation."""
    return {"fault": "answer", "operation": operation, "body": body, **more}


def success(operation: str, **members: t.Any) -> Rule:
    """Return a rule that replaces the response by a successful one with the given members."""
    return answer(operation, {"requestId": REQUEST_ID, "success": True, **members})


def patch(operation: str | None, **more: t.Any) -> Rule:
    """Return a rule that changes the response; if it changes the envelope, requestId is fixed."""
    if "merge" in more:
        more["merge"] = {"requestId": REQUEST_ID, **more["merge"]}
    return {"fault": "patch", "operation": operation, **more}


def code(number: int | str, operation: str, **more: t.Any) -> Rule:
    """Return a rule that refuses calls with a Marketo error code and a fixed requestId."""
    merge = {"requestId": REQUEST_ID, **more.pop("merge", {})}
    return {"fault": str(number), "operation": operation, "merge": merge, **more}


def once(rule: Rule, skip: int = 0) -> Rule:
    """Return a rule that is injected into one call only, after skipping some."""
    return {**rule, "times": 1, "skip": skip}
