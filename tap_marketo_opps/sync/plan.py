"""Decision where a run begins, from the streams' bookmarks and the settings; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from marketo_opps import SettingsError
from tap_marketo_opps.finding.activity_log import LOG_STREAMS
from tap_marketo_opps.finding.lead_ranges import is_list_label, lead_range
from tap_marketo_opps.finding.newness import emit_since
from tap_marketo_opps.sync.state import share_resume_point
from tap_marketo_opps.timestamps import max_or_none, minus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_marketo_opps.finding.resume_point import ResumePoint
    from tap_marketo_opps.sync.state import Bookmark

Bookmarks = t.Mapping[str, "Bookmark"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a run begins: the resume point of each stream, and sentences to log about it.

    Attributes:
        resumes: Resume point of each stream; all have the same position.
        notes: Sentences to log at INFO.
        warnings: Sentences to log at WARNING, on records that may be missing.
    """

    resumes: dict[str, ResumePoint]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def resume(self) -> ResumePoint:
        """Return the first stream's resume point, for attributes that all streams share."""
        return next(iter(self.resumes.values()))


def log_start(
    bookmarks: Bookmarks, start_date: str | None, overlap_seconds: int
) -> tuple[str, str | None]:
    """Return the timestamp from which the activity log is read for the streams of a run.

    Args:
        bookmarks: Bookmarks of the streams.
        start_date: Value of the setting, as a timestamp.
        overlap_seconds: Seconds of the log to read again.

    Returns:
        The timestamp, and the end of the previously read log (None if never read).

    Raises:
        SettingsError: There is neither a bookmark nor a start_date.
    """
    cursors = [_cursor(bookmark) for bookmark in bookmarks.values()]
    known = [cursor for cursor in cursors if cursor]
    if len(known) == len(cursors):
        cursor, is_limited = min(known)
        overlapped = minus_seconds(cursor, overlap_seconds)
        not_before = start_date if is_limited else None
        return max_or_none(overlapped, not_before) or overlapped, cursor
    begun = (_refresh_of_log_from(bookmark) for bookmark in bookmarks.values())
    start_date = start_date or min(filter(None, begun), default=None)
    if start_date is None:
        unread = [name for name, bookmark in bookmarks.items() if not _cursor(bookmark)]
        raise SettingsError(
            "start_date is required to read the activity log for the first time for "
            f"{' and '.join(unread)} (Marketo keeps only some months of it). "
            f"{_how_to_begin(unread)}"
        )
    return start_date, None


def _how_to_begin(streams: Sequence[str]) -> str:
    """Return the advice about streams for which neither a bookmark nor `start_date` is given."""
    if {*LOG_STREAMS}.issuperset(streams):
        return "Set it for one run: later runs continue from the state, also without it."
    return "To read all opportunities, run a backfill first (find_by: lead_ids)."


def _cursor(bookmark: Bookmark) -> tuple[str, bool] | None:
    """Return the timestamp from which a run continues to read the activity log, by its bookmark.

    For a bookmark of another tap or of a user, which has no `found_by`, that is the replication key
    value.

    Returns:
        The timestamp, and True if the log is not read from before `start_date` (False for a
        bookmark of another tap or user). None if the bookmark has no such timestamp, or is that of
        an interrupted full refresh.
    """
    cursor = bookmark.log_cursor or (bookmark.value if bookmark.found_by is None else None)
    if not cursor or _refresh_of_log_from(bookmark):
        return None
    return cursor, bool(bookmark.log_cursor)


def _refresh_of_log_from(bookmark: Bookmark) -> str | None:
    """Return the timestamp from which an interrupted full refresh or first run has read the log.

    Such a run reads the activity log from `start_date`, not from the timestamp in a bookmark.

    Args:
        bookmark: Bookmark of a stream, with the resume point of its interrupted run, if any.

    Returns:
        The timestamp; None if no run was interrupted, or if the interrupted run has continued from
        a bookmark, or has not read the log.
    """
    resume = bookmark.resume
    return resume.log_from if resume and not resume.cursor else None


def plan_run(
    bookmarks: Bookmarks,
    *,
    found_by: str,
    new_run: ResumePoint,
    start_date: str | None,
    incremental: Mapping[str, bool],
) -> Plan:
    """Return the plan to resume an interrupted run, or to begin a new one.

    Args:
        bookmarks: Bookmarks of the streams that the run serves.
        found_by: Label of the keys that the run looks up.
        new_run: Resume point of a new run with these settings, without each stream's `since`.
        start_date: Value of the setting, as a timestamp.
        incremental: For each stream, True if it is replicated incrementally.
    """
    resumes = {name: bookmark.resume for name, bookmark in bookmarks.items()}
    if share_resume_point(resumes.values(), new_run.fingerprint):
        kept = {name: _resumed(resume, start_date) for name, resume in resumes.items() if resume}
        return Plan(kept, ["Resuming where the last run stopped."])
    begun = {
        name: replace(
            new_run,
            since=_since(bookmark, found_by, start_date, new_run) if incremental[name] else None,
        )
        for name, bookmark in bookmarks.items()
    }
    return Plan(begun, _notes(bookmarks, found_by, start_date, new_run))


def _resumed(resume: ResumePoint, start_date: str | None) -> ResumePoint:
    """Return a saved resume point, adapted to the present `start_date`, to resume the run with it.

    If the run reads the activity log, the time from which changed records are emitted (`since`) is
    calculated again from `start_date`.
    """
    if resume.log_from is None or resume.since is None:
        return resume
    return replace(resume, since=emit_since(resume.log_from, start_date))


def _since(
    bookmark: Bookmark, found_by: str, start_date: str | None, new_run: ResumePoint
) -> str | None:
    if new_run.log_from:
        return emit_since(new_run.log_from, start_date)
    if _is_interrupted_refresh(bookmark):
        return start_date
    known = bookmark.value if _applies_to(bookmark, found_by, start_date) else None
    return max_or_none(known, start_date)


def _is_interrupted_refresh(bookmark: Bookmark) -> bool:
    """Return True if a bookmark shows that the last run was a full refresh and was interrupted.

    A full refresh, like a first run, ignores the replication key value in the bookmark. The
    bookmark may still have that value, because Meltano merges the state of an interrupted run into
    the earlier state.
    """
    resume = bookmark.resume
    if resume is None:
        return False
    if resume.log_from:
        return resume.cursor is None
    return resume.since is None or (bookmark.value is not None and resume.since < bookmark.value)


def _is_refresh_again(bookmarks: Bookmarks, *, by_log: bool) -> bool:
    """Return True if a new run must be a full refresh, because the interrupted run was one.

    A full refresh ignores the timestamps in bookmarks. The bookmarks may still have them, because
    Meltano merges the state of an interrupted run into the earlier state.

    Args:
        bookmarks: Bookmarks of the streams, some with the resume point of the interrupted run.
        by_log: True if the new run reads the activity log.
    """
    if by_log:
        return any(each.log_cursor and _refresh_of_log_from(each) for each in bookmarks.values())
    return any(each.value and _is_interrupted_refresh(each) for each in bookmarks.values())


def _applies_to(bookmark: Bookmark, found_by: str, start_date: str | None) -> bool:
    """Return True if a run may skip records older than the replication key value in a bookmark.

    It may do so if the earlier run looked up the same keys, or if the bookmark does not say which
    keys. It may also do so for another range of lead IDs, because records of leads outside the
    earlier range are emitted however old they are; but not with a `start_date`, which excludes old
    records. A static list never counts as the same keys, because its leads may be others by now.

    Args:
        bookmark: The bookmark, with the label of the keys that the earlier run looked up.
        found_by: Label of the keys that the new run looks up.
        start_date: Value of the setting, as a timestamp.
    """
    if bookmark.found_by and is_list_label(found_by):
        return False
    both_ranges = bool(lead_range(bookmark.found_by)) and bool(lead_range(found_by))
    return bookmark.found_by in {None, found_by} or (both_ranges and start_date is None)


def _notes(
    bookmarks: Bookmarks, found_by: str, start_date: str | None, new_run: ResumePoint
) -> list[str]:
    notes = []
    if any(bookmark.resume for bookmark in bookmarks.values()):
        notes.append(
            "Settings changed since the interrupted run: ignoring its position and starting over."
        )
    if _is_refresh_again(bookmarks, by_log=bool(new_run.log_from)):
        notes.append("The interrupted run was a full refresh, and so is this one.")
    foreign = [
        name
        for name, bookmark in bookmarks.items()
        if bookmark.value and not _applies_to(bookmark, found_by, start_date)
    ]
    if foreign and not new_run.log_from:
        notes.append(
            "The list may have other leads than in the last sweep: emitting every record found."
            if is_list_label(found_by)
            else f"The bookmark of {' and '.join(foreign)} belongs to other lookup values: "
            "emitting every record found."
        )
    swept = {bookmark.sweep_leads for bookmark in bookmarks.values() if not bookmark.log_until}
    if new_run.cursor and any(swept):
        leads = ", ".join(sorted(filter(None, swept)))
        notes.append(f"Continuing after the sweep of {leads}, from {new_run.cursor}.")
    return notes
