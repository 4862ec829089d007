"""Time from which the activity log must be read, and time for which Marketo keeps it; pure."""

from __future__ import annotations

from tap_marketo_opps.timestamps import minus_seconds

KEPT_DAYS = 90
"""Days for which Marketo keeps "Update Opportunity" entries; other types are kept longer."""

_DAY_SECONDS = 86_400


def hand_over_from(made_at: str | None, began: str) -> str:
    """Return the timestamp from which `find_by: activities` reads the log after a lead sweep.

    A lead sweep is a run that reads the roles of given leads.

    Args:
        made_at: Timestamp at which the swept leads were listed; None for a range of lead IDs,
            which includes leads created later.
        began: Timestamp of the beginning of the sweep.
    """
    return min(made_at or began, began)


def hand_over_note(made_at: str | None, began: str) -> str | None:
    """Return a sentence to log after a sweep: from when `find_by: activities` continues.

    A lead sweep is a run that reads the roles of given leads. Return None for a range of lead IDs.

    Args:
        made_at: Timestamp at which the swept leads were listed; None for a range of lead IDs.
        began: Timestamp of the beginning of the sweep.
    """
    if made_at is None:
        return None
    return (
        f"After this sweep, find_by: activities continues from {hand_over_from(made_at, began)}, "
        "because the sweep does not include leads listed later."
    )


def retention_warning(log_from: str | None, now: str) -> str | None:
    """Return a warning if log entries that the run needs are so old that Marketo has deleted them.

    Args:
        log_from: Timestamp from which the run reads the activity log; None if it does not read it.
        now: Current timestamp by Marketo's clock.

    Returns:
        The warning; None if Marketo keeps all the entries.
    """
    if log_from is None or log_from >= minus_seconds(now, KEPT_DAYS * _DAY_SECONDS):
        return None
    return (
        f"The activity log is read from {log_from}, but Marketo keeps updates of opportunities for "
        f"{KEPT_DAYS} days only: older updates are missed. Run a backfill (find_by: lead_ids) "
        "without start_date to read everything."
    )
