"""What an instance holds after a run, and what it was asked."""

from __future__ import annotations


def stored(sandbox):
    """The opportunities of an instance, as it stores them, by their external id."""
    return {one["externalOpportunityId"]: one for one in sandbox.instance.opportunities()}


def calls(sandbox, operation):
    return sandbox.journal(operation=operation)


def syncs(sandbox):
    return calls(sandbox, "sync opportunity")
