"""From when on a later run will read the activity log, and whether it reaches back so far; pure."""

from __future__ import annotations

from tap_marketo_opps.moments import minus_seconds

KEPT_DAYS = 90
"""How long Marketo keeps "Update Opportunity" at the least; the other types for two years."""

_DAY_SECONDS = 86_400


def hand_over_from(made_at: str | None, began: str) -> str:
    """Return from when on the log is read after a sweep.

    Args:
        made_at: When the swept leads were listed; None for a range, which holds later ones too.
        began: When the sweep did.
    """
    return min(made_at or began, began)


def hand_over_note(made_at: str | None, began: str) -> str | None:
    """Return a sentence on when a list of leads hands over to the log; None for a range."""
    if made_at is None:
        return None
    return (
        f"After this sweep, find_by: activities continues from {hand_over_from(made_at, began)}, "
        "because the sweep does not include leads listed later."
    )


def retention_warning(log_from: str | None, now: str) -> str | None:
    """Return a sentence on what the log no longer holds of what is wanted of it, if so."""
    if log_from is None or log_from >= minus_seconds(now, KEPT_DAYS * _DAY_SECONDS):
        return None
    return (
        f"The activity log is read from {log_from}, but Marketo keeps updates of opportunities for "
        f"{KEPT_DAYS} days only: older updates are missed. Run a backfill (find_by: lead_ids) to "
        "read everything."
    )
