"""A stream's bookmark: how it is read, written, and carried on by a run; pure.

A stream's bookmark holds flat values only, and `resume` in every one of them: Meltano merges the
state of an interrupted run deeply onto the one before, and cannot delete a key.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tap_marketo_opps.finding.lead_ranges import LABEL_SEPARATOR, lead_range_contains
from tap_marketo_opps.finding.resume_point import ResumePoint
from tap_marketo_opps.moments import max_or_none, normalize_iso

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_PLAIN_KEYS = ("found_by", "log_until", "log_tail", "sweep_began", "sweep_leads", "instance")
_VALUE = "replication_key_value"
_KNOWN_KEYS = frozenset({_VALUE, "resume", *_PLAIN_KEYS})


def fingerprint(settings: Mapping[str, t.Any]) -> str:
    """Return a short digest of the settings that a position belongs to."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One stream's state.

    Attributes:
        value: The replication key value that the last finished run left.
        found_by: What that run looked up, by the label of its finder.
        log_until: When the last finished run that read the activity log began.
        sweep_began: When the lead sweep began that `activities` may go on from.
        sweep_leads: Which leads were swept since then.
        instance: Host of the instance that it belongs to.
        resume: What the last run left unfinished.
        log_tail: What the run that left `log_until` has seen of the log's last stretch.
    """

    value: str | None = None
    found_by: str | None = None
    log_until: str | None = None
    sweep_began: str | None = None
    sweep_leads: str | None = None
    instance: str | None = None
    resume: ResumePoint | None = None
    log_tail: str | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any], replication_key: str | None = None) -> Bookmark:
        """Read a stream's bookmark out of a STATE message's value.

        Args:
            state: The bookmark's members.
            replication_key: The stream's; taps of singer-io's have the value under its name.

        Raises:
            ValueError: A moment in it is none, or a text is none.
        """
        return cls(
            value=_read_moment(state.get(_value_key(state, replication_key))),
            found_by=_read_text(state.get("found_by")),
            log_until=_read_moment(state.get("log_until")),
            log_tail=tail if isinstance(tail := state.get("log_tail"), str) else None,
            sweep_began=_read_moment(state.get("sweep_began")),
            sweep_leads=_read_text(state.get("sweep_leads")),
            instance=_read_text(state.get("instance")),
            resume=ResumePoint.decode(state.get("resume")),
        )

    @property
    def up_to(self) -> str | None:
        """Return the last moment up to which it says that anything has been read."""
        return max_or_none(self.value, self.log_until, self.sweep_began)

    @property
    def log_cursor(self) -> str | None:
        """Return when the last run began after which nothing is known of the log."""
        return self.log_until or self.sweep_began

    def to_state(self, replication_key: str | None) -> dict[str, t.Any]:
        """Return the members to set in a stream's bookmark; null ones are set too."""
        members: dict[str, t.Any] = {"resume": self.resume.encode() if self.resume else None}
        if replication_key:
            members["replication_key"] = replication_key
            members[_VALUE] = self.value
        return members | {name: value for name in _PLAIN_KEYS if (value := getattr(self, name))}

    def paused(self, resume: ResumePoint) -> Bookmark:
        """Return what an unfinished run leaves: nothing is promised but the position."""
        return replace(self, resume=resume)

    def finished(self, run: ResumePoint, found_by: str) -> Bookmark:
        """Return what a finished run leaves.

        The value never passes the moment at which the run began: a record that changed after its
        page was read has a later `updatedAt`. Up to there it never goes back, either, unless the
        run was to emit everything there is.
        """
        value = max_or_none(run.seen, self.value if run.since else None)
        bounded = min(value, run.began) if value else None
        return replace(self, value=bounded, found_by=found_by, resume=None)

    def after_log(self, began: str, tail: str | None = None) -> Bookmark:
        """Return it with the activity log read up to a moment, and what was counted at its end."""
        return replace(self, log_until=began, log_tail=tail)

    def after_sweep(self, began: str, leads: str) -> Bookmark:
        """Return it with a lead sweep handed over to `activities`.

        Where another sweep was handed over before and these leads do not contain its own, the log
        has to be read from the earlier of the two.
        """
        if (
            not self.sweep_began
            or not self.sweep_leads
            or lead_range_contains(leads, self.sweep_leads)
        ):
            return replace(self, sweep_began=began, sweep_leads=leads)
        both = f"{self.sweep_leads}{LABEL_SEPARATOR}{leads}"
        return replace(self, sweep_began=min(self.sweep_began, began), sweep_leads=both)


def with_bookmarks(state: Mapping[str, t.Any], streams: Collection[str]) -> dict[str, t.Any]:
    """Return a state in which each stream has an object.

    Where somebody, or a tap of singer-io's, has put a bare value, that is a replication key value;
    the oldest of those taps have streams, and nothing else, at the top.

    Args:
        state: As it was given.
        streams: Names of those that there are.
    """
    bookmarks = state.get("bookmarks")
    if bookmarks is None and state and all(name in streams for name in state):
        bookmarks = state
    if not isinstance(bookmarks, Mapping):
        return dict(state)
    objects = {
        name: {_VALUE: value} if isinstance(value, str) else value
        for name, value in bookmarks.items()
        if value is not None
    }
    return {**state, "bookmarks": objects} if "bookmarks" in state else {"bookmarks": objects}


def share_resume_point(resumes: Iterable[ResumePoint | None], wanted_fingerprint: str) -> bool:
    """Return True if all streams were left at one place, by a run of these settings."""
    first, *others = resumes
    return (
        first is not None
        and first.fingerprint == wanted_fingerprint
        and all(
            other is not None and (other.fingerprint, other.at) == (first.fingerprint, first.at)
            for other in others
        )
    )


def _value_key(state: Mapping[str, t.Any], replication_key: str | None) -> str:
    """Return the member that has the replication key value."""
    if replication_key and _KNOWN_KEYS.isdisjoint(state):
        wanted = _plain(replication_key)
        return next((name for name in state if _plain(name) == wanted), _VALUE)
    return _VALUE


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _read_text(value: t.Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("found_by, sweep_leads and instance must be strings")
    return value


def _read_moment(value: t.Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("a date-time must be a string")  # noqa: TRY004 - handled as any other bad moment
    return normalize_iso(value)
