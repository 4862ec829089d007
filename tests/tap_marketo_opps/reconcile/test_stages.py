"""The stages of a reconcile after its first, and what its passes count together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tap_marketo_opps.reconcile.position import Counts
from tap_marketo_opps.reconcile.stages import ReconcileStages

FIRST, SECOND = SimpleNamespace(unrequested=2), SimpleNamespace(unrequested=3)
LEADS = SimpleNamespace()


@pytest.mark.parametrize(("leads", "lookups"), [(None, [SECOND]), (LEADS, [SECOND, LEADS])])
def test_lead_fields_are_added_last_if_there_are_any(leads, lookups):
    assert ReconcileStages(FIRST, SECOND, leads, Counts()).lookups == lookups


def test_records_not_requested_are_those_of_both_passes():
    assert ReconcileStages(FIRST, SECOND, None, Counts()).unrequested == 5
