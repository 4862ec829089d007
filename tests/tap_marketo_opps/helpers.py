"""A tap, settings and resume points for tests."""

from __future__ import annotations

from tap_marketo_opps.finding.resume_point import ResumePoint
from tap_marketo_opps.tap import TapMarketoOpps


class UnpacedTap(TapMarketoOpps):
    """A tap that makes calls without pacing, which has tests of its own."""

    pacing_window_seconds = 0.001


def by_filter(sandbox, **more):
    """Return settings that look up every opportunity by its external ID."""
    return {**sandbox.credentials, "filter_values": sandbox.instance.opportunity_ids(), **more}


def by_lead_ids(sandbox, **more):
    """Return settings that sweep all leads."""
    leads = sandbox.instance.lead_ids()
    return {
        **sandbox.credentials,
        "find_by": "lead_ids",
        "lead_id_from": min(leads),
        "lead_id_to": max(leads),
        **more,
    }


def make_resume_point(**changed):
    """Return the resume point of a run with the fingerprint `f` that began in March 2026."""
    members = {
        "fingerprint": "f",
        "began": "2026-03-01T00:00:00Z",
        "since": None,
        "seen": None,
        "cursor": None,
        "log_from": None,
        "at": {"next": 5},
    }
    return ResumePoint(**{**members, **changed})
