"""The text on lead lookups in the closing line."""

from __future__ import annotations

from target_marketo_opps.delivery.lead_choice import LeadMatch
from target_marketo_opps.delivery.lead_counts import LeadCounts


def test_values_and_roles_are_counted_by_their_number_of_leads():
    counts = LeadCounts("email")
    counts.add([1, 0, 2, 1, 3], too_many=1, calls=2)
    counts.add([1, 0, 0], too_many=2, calls=1)
    for leads in (0, 2, 3, 0, 0):
        counts.add_role(LeadMatch(None, leads))
    assert counts.calls == 3
    assert counts.summary() == (
        "leads by email: 3 found, 3 not found (3 roles rejected), "
        "5 ambiguous (2 roles rejected), 3 lookup calls"
    )


def test_roles_are_left_out_if_none_was_rejected():
    counts = LeadCounts("email")
    counts.add([1] * 1_000, too_many=0, calls=1)
    assert counts.summary() == (
        "leads by email: 1,000 found, 0 not found, 0 ambiguous, 1 lookup call"
    )
