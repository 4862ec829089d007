"""What a stream's state says, and what a run makes of it; pure.

All moments are text of one form, `2015-02-03T22:36:23Z`, so that they compare as they are.

A stream's bookmark holds flat values only, and `resume` in every one of them: Meltano merges the
state of an interrupted run deeply onto the one before, and cannot delete a key.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Position = dict[str, t.Any]
"""Where in its keys, or in the activity log, a finder stands; JSON."""

_VERSION = 1
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_FIRST_MOMENT = "0001-01-01T00:00:00Z"
_LEAD_RANGE = re.compile(r"lead_ids (\d{1,18})-(\d{1,18})")


def moment(time: datetime) -> str:
    """An aware time as text, to the second, rounded down.

    Raises:
        ValueError: in UTC it lies before the year 1, or after 9999.
    """
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("it lies outside of the calendar") from None
    # Not strftime, which does not pad years below 1000: then moments would not compare as text.
    return utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parsed(text: str) -> datetime:
    """The time that `moment` made text of."""
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)


def moment_of(text: str) -> str:
    """The moment that any ISO 8601 text tells; one without an offset is in UTC.

    Raises:
        ValueError: it tells none, or one outside of the calendar.
    """
    time = datetime.fromisoformat(text)
    return moment(time if time.tzinfo else time.replace(tzinfo=UTC))


def earlier(text: str, seconds: int) -> str:
    """A moment so many seconds before another, or the first one that there is."""
    try:
        return moment(parsed(text) - timedelta(seconds=seconds))
    except OverflowError:
        return _FIRST_MOMENT


def latest(*moments: str | None) -> str | None:
    """The last of those that are given, if any is."""
    return max(filter(None, moments), default=None)


def fingerprint(settings: Mapping[str, t.Any]) -> str:
    """A short digest of the settings that a position belongs to."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Resume:
    """How an interrupted run goes on.

    Attributes:
        fingerprint: of the settings of that run.
        began: when its first attempt began, by Marketo's clock.
        since: what it emits: records changed then or later; None for all.
        seen: the greatest replication key value of what it has read so far.
        cursor: up to when the activity log was known before; None where it was not.
        log_from: where reading the activity log begins.
        at: what has been read, written, and told of in a STATE message; None at the beginning.
    """

    fingerprint: str
    began: str
    since: str | None
    seen: str | None
    cursor: str | None
    log_from: str | None
    at: Position | None

    def encode(self) -> str:
        """As one string, for the reason that the module tells."""
        return json.dumps({"v": _VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: t.Any) -> Resume | None:
        """What `encode` made a string of; None for anything else."""
        try:
            members = json.loads(text)
            version = members.pop("v")
            return cls(**members) if version == _VERSION else None
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One stream's state.

    Attributes:
        value: the replication key value that the last finished run left.
        found_by: what that run looked up, as its finder names it.
        log_until: when the last finished run that read the activity log began.
        sweep_began: when the lead sweep began that `activities` may go on from.
        sweep_leads: which leads were swept since then.
        instance: the host of the instance that it speaks of.
        resume: what the last run left unfinished.
    """

    value: str | None = None
    found_by: str | None = None
    log_until: str | None = None
    sweep_began: str | None = None
    sweep_leads: str | None = None
    instance: str | None = None
    resume: Resume | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any]) -> Bookmark:
        """Read a stream's bookmark out of a STATE message's value.

        Raises:
            ValueError: a moment in it is none, or a text is none.
        """
        return cls(
            value=_read_moment(state.get("replication_key_value")),
            found_by=_read_text(state.get("found_by")),
            log_until=_read_moment(state.get("log_until")),
            sweep_began=_read_moment(state.get("sweep_began")),
            sweep_leads=_read_text(state.get("sweep_leads")),
            instance=_read_text(state.get("instance")),
            resume=Resume.decode(state.get("resume")),
        )

    def to_state(self, replication_key: str | None) -> dict[str, t.Any]:
        """The members to set in a stream's bookmark; null ones are set too."""
        members: dict[str, t.Any] = {"resume": self.resume.encode() if self.resume else None}
        if replication_key:
            members["replication_key"] = replication_key
            members["replication_key_value"] = self.value
        told = ("found_by", "log_until", "sweep_began", "sweep_leads", "instance")
        return members | {name: value for name in told if (value := getattr(self, name))}

    def paused(self, resume: Resume) -> Bookmark:
        """What an unfinished run leaves: nothing is promised but the position."""
        return replace(self, resume=resume)

    def finished(self, run: Resume, found_by: str) -> Bookmark:
        """What a finished run leaves.

        The value never passes the moment at which the run began: a record that changed after its
        page was read has a later `updatedAt`. It never goes back, either, unless the run was to
        emit everything there is.
        """
        seen = min(run.seen, run.began) if run.seen else None
        before = self.value if run.since else None
        return replace(self, value=latest(seen, before), found_by=found_by, resume=None)

    def after_log(self, began: str) -> Bookmark:
        """The same with the activity log read up to a moment."""
        return replace(self, log_until=began)

    def after_sweep(self, began: str, leads: str) -> Bookmark:
        """The same with a lead sweep handed over to `activities`.

        Where another sweep was handed over before and these leads do not cover its own, the log
        has to be read from the earlier of the two.
        """
        if not self.sweep_began or not self.sweep_leads or covers(leads, self.sweep_leads):
            return replace(self, sweep_began=began, sweep_leads=leads)
        both = f"{self.sweep_leads}, {leads}"
        return replace(self, sweep_began=min(self.sweep_began, began), sweep_leads=both)


def covers(leads: str, others: str) -> bool:
    """Whether one finder's lead ids hold all of another's: the same file, or a wider range."""
    if leads == others:
        return True
    wide, narrow = _LEAD_RANGE.fullmatch(leads), _LEAD_RANGE.fullmatch(others)
    if not wide or not narrow:
        return False
    first, last = map(int, wide.groups())
    return first <= int(narrow[1]) and int(narrow[2]) <= last


def lead_range(leads: str | None) -> range:
    """The lead ids that a finder of that name sweeps; empty where it sweeps no range."""
    match = _LEAD_RANGE.fullmatch(leads or "")
    return range(int(match[1]), int(match[2]) + 1) if match else range(0)


def common(resumes: Iterable[Resume | None], wanted_fingerprint: str) -> bool:
    """Whether all streams of a run were left at one place, by a run of the same settings."""
    first, *others = resumes
    return (
        first is not None
        and first.fingerprint == wanted_fingerprint
        and all(
            other is not None and (other.fingerprint, other.at) == (first.fingerprint, first.at)
            for other in others
        )
    )


def _read_text(value: t.Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("what found_by, sweep_leads and instance say must be text")
    return value


def _read_moment(value: t.Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("a moment must be text")  # noqa: TRY004 - told as any other bad moment
    return moment_of(value)
