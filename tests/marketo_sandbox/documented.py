"""Helpers for replaying the requests and responses that Adobe prints.

They come from the pages Opportunities, Opportunity Roles, Lead Database, Leads, List Membership,
Paging Tokens, Authentication, Usage, Activities and Error Codes of Adobe's developer guide. An
instance chooses its own request ids, GUIDs, tokens and dates, so these are compared by form and
all other values exactly.
"""

from __future__ import annotations

import re

import pytest

OPPORTUNITIES = "/rest/v1/opportunities.json"
ROLES = "/rest/v1/opportunities/roles.json"
FORMS = {
    "requestId": r"[0-9a-f]+#[0-9a-f]+",
    "marketoGUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} ?",
    "nextPageToken": r"[A-Z2-7]+=*",
    "access_token": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:int",
    "createdAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+0000)",
    "updatedAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+0000)",
}


def formed(value, name=None):
    """Return a value in which ids, tokens and dates are replaced by the form they must have."""
    if isinstance(value, dict):
        return {key: formed(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [formed(each) for each in value]
    if name in FORMS and isinstance(value, str) and re.fullmatch(FORMS[name], value):
        return f"<{name}>"
    return value


CHAIRS = {
    "externalOpportunityId": "19UYA31581L000000",
    "name": "Chairs",
    "description": "Chairs",
    "amount": "1604.47",
    "source": "Inbound Sales Call/Email",
}


@pytest.fixture
def with_chairs(api):
    """Create the opportunity that Adobe's first sync example updates."""
    api.sync([CHAIRS])
    return api


def results(*items):
    return {"requestId": "<requestId>", "success": True, "result": list(items)}


def buyer(lead, **more):
    return {
        "externalOpportunityId": "19UYA31581L000000",
        "leadId": lead,
        "role": "Technical Buyer",
        **more,
    }


@pytest.fixture
def with_leads(with_chairs, sandbox):
    sandbox.instance.add_leads([456783, 456784, 1, 1872, 273891])
    return with_chairs
