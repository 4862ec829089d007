"""The test call for a static list: what it costs, and what its refusal says."""

from __future__ import annotations

import pytest

from marketo_opps import AccessDeniedError, ConnectionSettings, MarketoClient
from tap_marketo_opps.errors import NoSuchListError
from tap_marketo_opps.list_probe import probe_list


@pytest.fixture
def connected(marketo_sandbox_factory):
    """Return a sandbox with a static list, and a client of it."""
    sandbox = marketo_sandbox_factory(opportunities=3, leads=5, limits={"enforced": False})
    sandbox.instance.add_to_list(1001, sandbox.instance.lead_ids())
    with MarketoClient(ConnectionSettings.from_config(sandbox.credentials)) as client:
        yield sandbox, client


def test_one_member_of_the_list_is_read(connected):
    sandbox, client = connected
    probe_list(client, 1001)
    (call,) = sandbox.journal(operation="list_members")
    assert (call["answered"], call["parameters"]["fields"]) == (1, "id")


@pytest.mark.parametrize("code", ["1013", "610"])
def test_a_list_that_is_refused_is_named_with_the_refusal(connected, code):
    sandbox, client = connected
    sandbox.fault(code, operation="list_members")
    with pytest.raises(NoSuchListError) as caught:
        probe_list(client, 1001)
    assert f": {code} " in str(caught.value)
    assert "lead_list_id is 1001: set it to the ID of a static list" in str(caught.value)
    assert caught.value.__cause__.code == code


def test_a_missing_permission_is_no_missing_list(connected):
    sandbox, client = connected
    sandbox.fault("603", operation="list_members")
    with pytest.raises(AccessDeniedError):
        probe_list(client, 1001)
