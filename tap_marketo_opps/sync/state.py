"""Reading, writing and updating of a stream's bookmark; pure.

A bookmark has only strings as members, and always the member `resume`. Meltano merges the state of
an interrupted run deeply into the earlier one, and cannot delete a member.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tap_marketo_opps.finding.lead_ranges import LABEL_SEPARATOR, lead_range_contains
from tap_marketo_opps.finding.resume_point import ResumePoint
from tap_marketo_opps.timestamps import max_or_none, normalize_iso

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_PLAIN_KEYS = ("found_by", "log_until", "log_tail", "sweep_began", "sweep_leads", "instance")
_VALUE = "replication_key_value"
_KNOWN_KEYS = frozenset({_VALUE, "resume", *_PLAIN_KEYS})


def fingerprint(settings: Mapping[str, t.Any]) -> str:
    """Return a short digest of the settings for which a position is valid."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One stream's bookmark.

    Attributes:
        value: Replication key value of the last finished run.
        found_by: Label of the keys that the same run looked up, such as `lead_ids 1-2000`.
        log_until: Timestamp at which the last finished run that read the activity log began.
        sweep_began: Timestamp from which `activities` continues after a lead sweep, a run that
            reads the roles of given leads.
        sweep_leads: Labels of the leads that sweeps have read since `sweep_began`.
        instance: Host of the instance that the bookmark belongs to.
        resume: Resume point of an interrupted run; None after a finished run.
        log_tail: Encoded counts of the last part of the log, by the run that began at `log_until`.
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
        """Return a stream's bookmark, given its members in a state.

        Args:
            state: Members of the bookmark.
            replication_key: Name of the stream's replication key. In states of singer-io's taps the
                member with this name contains the replication key value.

        Raises:
            ValueError: A timestamp or a string is invalid.
        """
        return cls(
            value=_read_timestamp(state.get(_value_key(state, replication_key))),
            found_by=_read_text(state.get("found_by")),
            log_until=_read_timestamp(state.get("log_until")),
            log_tail=tail if isinstance(tail := state.get("log_tail"), str) else None,
            sweep_began=_read_timestamp(state.get("sweep_began")),
            sweep_leads=_read_text(state.get("sweep_leads")),
            instance=_read_text(state.get("instance")),
            resume=ResumePoint.decode(state.get("resume")),
        )

    @property
    def up_to(self) -> str | None:
        """Return the latest timestamp in the bookmark: up to it records have been read.

        Return None if the bookmark has no timestamp.
        """
        return max_or_none(self.value, self.log_until, self.sweep_began)

    @property
    def log_cursor(self) -> str | None:
        """Return the timestamp from which a run continues to read the activity log.

        That is the end of the log already read or, after a lead sweep, the beginning of the sweep;
        None if there was neither.
        """
        return self.log_until or self.sweep_began

    def to_state(self, replication_key: str | None) -> dict[str, t.Any]:
        """Return the bookmark as members to set in the state.

        A member that is None becomes null in the state, where it overwrites the earlier value.
        """
        members: dict[str, t.Any] = {"resume": self.resume.encode() if self.resume else None}
        if replication_key:
            members["replication_key"] = replication_key
            members[_VALUE] = self.value
        return members | {name: value for name in _PLAIN_KEYS if (value := getattr(self, name))}

    def paused(self, resume: ResumePoint) -> Bookmark:
        """Return this bookmark with the resume point of a run that is not finished yet.

        All other members stay as the last finished run has left them.
        """
        return replace(self, resume=resume)

    def finished(self, run: ResumePoint, found_by: str) -> Bookmark:
        """Return the bookmark after a finished run.

        The value is never later than the beginning of the run, because records that changed during
        the run may have been read before. It is never earlier than the previous value, unless the
        run was a full refresh.

        Args:
            run: Resume point at the end of the run.
            found_by: Label of the keys that the run looked up.
        """
        value = max_or_none(run.seen, self.value if run.since else None)
        bounded = min(value, run.began) if value else None
        return replace(self, value=bounded, found_by=found_by, resume=None)

    def after_log(self, began: str, tail: str | None = None) -> Bookmark:
        """Return the bookmark after a run that has read the activity log up to its own beginning.

        Args:
            began: Timestamp of the beginning of the run.
            tail: Encoded counts of the last part of the log; None if not measured.
        """
        return replace(self, log_until=began, log_tail=tail)

    def after_sweep(self, began: str, leads: str, *, is_complete: bool) -> Bookmark:
        """Return the bookmark after a lead sweep, with the time from which `activities` continues.

        A lead sweep is a run that reads the roles of given leads. That time is the beginning of the
        sweep, or of an earlier one whose leads this sweep did not include, or whose records it did
        not emit again: a role that a merge moved to another lead may keep its `updatedAt`, so that
        only the log tells of it.

        Args:
            began: Timestamp from which the log must be read after this sweep.
            leads: Label of the leads swept, such as `lead_ids 1-2000`.
            is_complete: True if the sweep emitted every record found, however old.
        """
        if not self.sweep_began or not self.sweep_leads:
            return replace(self, sweep_began=began, sweep_leads=leads)
        if not lead_range_contains(leads, self.sweep_leads):
            leads = f"{self.sweep_leads}{LABEL_SEPARATOR}{leads}"
        elif is_complete:
            return replace(self, sweep_began=began, sweep_leads=leads)
        return replace(self, sweep_began=min(self.sweep_began, began), sweep_leads=leads)


def with_bookmarks(state: Mapping[str, t.Any], streams: Collection[str]) -> dict[str, t.Any]:
    """Return a state in which the bookmark of each stream is an object.

    A string in place of an object is a replication key value, as in states of singer-io's taps. The
    oldest of these have the streams at the top level, without `bookmarks`.

    Args:
        state: The state as the user gave it.
        streams: Names of the tap's streams.
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
    """Return True if all streams can be resumed together, at the position of an interrupted run.

    That run must have had the present settings, and have stopped at the same position for each.

    Args:
        resumes: Resume point of each stream; None if the stream has none.
        wanted_fingerprint: Digest of the present settings.
    """
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
    """Return the name of the bookmark's member that contains the replication key value.

    In states of singer-io's taps that is the name of the replication key, such as `updatedAt`; in
    others it is `replication_key_value`.
    """
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


def _read_timestamp(value: t.Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("a date-time must be a string")  # noqa: TRY004 - handled as any other invalid one
    return normalize_iso(value)
