"""Tests of the streams of the activity log: their fields, and how the log names fields."""

from __future__ import annotations

import pytest

from tests.tap_marketo_opps.conftest import FAST
from tests.tap_marketo_opps.helpers import UnpacedTap

ACTIVITIES, CHANGES = "opportunity_activities", "opportunity_changes"


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=20, leads=9, seed=5, limits=FAST)


def _config(sandbox):
    settings = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z"}
    return sandbox.credentials | settings


def _names(sandbox, catalog):
    """Return the function by which a tap with this catalog translates names of the log."""
    tap = UnpacedTap(config=_config(sandbox), catalog=catalog)
    names = tap.streams[CHANGES]._field_names
    tap.client.close()
    return names.api_name


def _entry(catalog, stream):
    return next(each for each in catalog["streams"] if each["tap_stream_id"] == stream)


def test_names_of_the_log_are_those_of_both_objects(sandbox, catalog_of):
    api_name = _names(sandbox, catalog_of(sandbox, CHANGES))
    assert api_name("Is Won") == "isWon"
    assert api_name("Role") == "role"
    assert api_name("No Field") == "No Field"


def test_a_field_of_the_lead_is_no_field_of_the_role(sandbox, catalog_of):
    catalog = catalog_of(sandbox, CHANGES)
    properties = _entry(catalog, "opportunity_roles")["schema"]["properties"]
    properties["lead_email"] = {"type": ["string", "null"], "description": "Email Address"}
    properties["email"] = {"type": ["string", "null"], "description": "Role's Address"}
    api_name = _names(sandbox, catalog)
    assert api_name("Email Address") == "Email Address"
    assert api_name("Role's Address") == "email"


@pytest.mark.parametrize("missing", ["opportunities", "opportunity_roles"])
def test_without_a_stream_in_the_catalog_its_names_are_kept(sandbox, catalog_of, missing):
    catalog = catalog_of(sandbox, CHANGES)
    catalog["streams"].remove(_entry(catalog, missing))
    api_name = _names(sandbox, catalog)
    kept = {"opportunities": ("Is Won", "Role"), "opportunity_roles": ("Role", "Is Won")}[missing]
    assert api_name(kept[0]) == kept[0]
    assert api_name(kept[1]) != kept[1]


def test_an_instance_without_roles_has_names_of_opportunities_only(sandbox):
    sandbox.fault("answer", operation="describe role", status=404, body="<html>not here")
    api_name = _names(sandbox, None)
    assert api_name("Is Won") == "isWon"
    assert api_name("Role") == "Role"


@pytest.mark.parametrize("is_selected", [True, False])
def test_attributes_are_emitted_only_if_selected(sandbox, catalog_of, sync, is_selected):
    fields = {"leadId", "attributes"} if is_selected else {"leadId"}
    catalog = catalog_of(sandbox, ACTIVITIES, fields=fields)
    records = sync(_config(sandbox), catalog=catalog).records(ACTIVITIES)
    assert records
    assert all(("attributes" in each) == is_selected for each in records)
