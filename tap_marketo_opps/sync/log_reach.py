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
        f"Once this sweep is finished, find_by activities goes on from "
        f"{hand_over_from(made_at, began)}, for of leads that were listed later it knows nothing."
    )


def retention_warning(log_from: str | None, now: str) -> str | None:
    """Return a sentence on what the log no longer holds of what is wanted of it, if so."""
    if log_from is None or log_from >= minus_seconds(now, KEPT_DAYS * _DAY_SECONDS):
        return None
    return (
        f"The activity log is wanted from {log_from} on, and Marketo keeps updates of "
        f"opportunities for {KEPT_DAYS} days: what was updated before and not since is not found. "
        "Sweep the leads, with find_by lead_ids, to have it all."
    )
