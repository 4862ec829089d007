"""Read what an instance contains after a run, and which calls it received."""

from __future__ import annotations


def stored(sandbox):
    """Return the opportunities of an instance by external id."""
    return {one["externalOpportunityId"]: one for one in sandbox.instance.opportunities()}


def calls(sandbox, operation):
    return sandbox.journal(operation=operation)


def syncs(sandbox):
    return calls(sandbox, "sync opportunity")
