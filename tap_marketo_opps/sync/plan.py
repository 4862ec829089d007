"""From the streams' bookmarks and the settings to what a run does; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from marketo_opps import SettingsError
from tap_marketo_opps.sync.state import Resume, common, earlier, latest, lead_range

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_marketo_opps.sync.state import Bookmark

Bookmarks = t.Mapping[str, "Bookmark"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run begins with: one resume for each stream, all of them at one place.

    `notes` say what users may wonder about.
    """

    resumes: dict[str, Resume]
    notes: list[str] = field(default_factory=list)

    @property
    def any_resume(self) -> Resume:
        """What all of them have in common is in any of them."""
        return next(iter(self.resumes.values()))


@dataclass(frozen=True, slots=True)
class LogStart:
    """Where a walk of the activity log begins.

    Attributes:
        log_from: the first moment read.
        cursor: up to when the log was known before; None where it was not.
    """

    log_from: str
    cursor: str | None


def log_start(bookmarks: Bookmarks, start_date: str | None, overlap_seconds: int) -> LogStart:
    """Where the streams of a run have the activity log read from.

    Raises:
        SettingsError: nothing tells.
    """
    cursors = [_cursor(bookmark) for bookmark in bookmarks.values()]
    known = [cursor for cursor in cursors if cursor]
    if len(known) == len(cursors):
        cursor = min(known)
        overlapped = earlier(cursor, overlap_seconds)
        return LogStart(latest(overlapped, start_date) or overlapped, cursor)
    if start_date is None:
        raise SettingsError(
            "start_date is needed to read the activity log for the first time: it says from when "
            "on (Marketo keeps some months of it). For all opportunities sweep the leads first, "
            "with find_by lead_ids."
        )
    return LogStart(start_date, None)


def _cursor(bookmark: Bookmark) -> str | None:
    """When the last run began after which nothing is known of the log.

    A state that does not say how it came about, written by hand say, is taken at its word.
    """
    from_value = bookmark.value if bookmark.found_by is None else None
    return bookmark.log_until or bookmark.sweep_began or from_value


def plan_run(
    bookmarks: Bookmarks,
    *,
    found_by: str,
    fingerprint: str,
    start_date: str | None,
    began: str,
    incremental: Mapping[str, bool],
    log: LogStart | None,
) -> Plan:
    """Go on where an interrupted run stood, or begin.

    Args:
        bookmarks: of the streams that the run is for.
        found_by: what it looks up.
        fingerprint: of its settings.
        start_date: the user's.
        began: now, by Marketo's clock.
        incremental: whether each stream is to tell only what is new.
        log: for `activities`: where the log begins.
    """
    resumes = {name: bookmark.resume for name, bookmark in bookmarks.items()}
    if common(resumes.values(), fingerprint):
        kept = {name: resume for name, resume in resumes.items() if resume}
        return Plan(kept, ["Going on where the last run stopped."])
    begun = {
        name: Resume(
            fingerprint=fingerprint,
            began=began,
            since=_since(bookmark, found_by, start_date, log) if incremental[name] else None,
            seen=None,
            cursor=log.cursor if log else None,
            log_from=log.log_from if log else None,
            at=None,
        )
        for name, bookmark in bookmarks.items()
    }
    return Plan(begun, _notes(bookmarks, found_by, start_date, log))


def _since(
    bookmark: Bookmark,
    found_by: str,
    start_date: str | None,
    log: LogStart | None,
) -> str | None:
    if log:
        return log.log_from if log.cursor else None
    if bookmark.resume and bookmark.resume.since is None:
        # An interrupted run was to emit everything, a full refresh perhaps.
        return start_date
    known = bookmark.value if _speaks_of(bookmark, found_by, start_date) else None
    return latest(known, start_date)


def _speaks_of(bookmark: Bookmark, found_by: str, start_date: str | None) -> bool:
    """Whether a bookmark says anything of what is looked up now.

    Of another range of leads it does: what only the further ones lead to is emitted however old it
    is. Where something is too old to be emitted, that does not do.
    """
    both_ranges = bool(lead_range(bookmark.found_by)) and bool(lead_range(found_by))
    return bookmark.found_by in {None, found_by} or (both_ranges and start_date is None)


def _notes(
    bookmarks: Bookmarks, found_by: str, start_date: str | None, log: LogStart | None
) -> list[str]:
    notes = []
    if any(bookmark.resume for bookmark in bookmarks.values()):
        notes.append("Settings have changed since the last run stopped half-way: starting afresh.")
    strange = [
        name
        for name, bookmark in bookmarks.items()
        if bookmark.value and not _speaks_of(bookmark, found_by, start_date)
    ]
    if strange and not log:
        notes.append(
            f"The bookmark of {' and '.join(strange)} is of other values than are looked up now: "
            "everything found is emitted."
        )
    swept = {bookmark.sweep_leads for bookmark in bookmarks.values() if not bookmark.log_until}
    if log and log.cursor and any(swept):
        leads = ", ".join(sorted(filter(None, swept)))
        notes.append(f"Going on from the sweep of {leads}, which began at {log.cursor}.")
    return notes
