"""Settings of runs that find all there is."""

from __future__ import annotations


def by_filter(sandbox, **more):
    """Every opportunity, by its external id."""
    return {**sandbox.credentials, "filter_values": sandbox.instance.opportunity_ids(), **more}


def by_lead_ids(sandbox, **more):
    """What all leads lead to."""
    leads = sandbox.instance.lead_ids()
    return {
        **sandbox.credentials,
        "find_by": "lead_ids",
        "lead_id_from": min(leads),
        "lead_id_to": max(leads),
        **more,
    }
