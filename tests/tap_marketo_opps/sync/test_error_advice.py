"""Errors that end a run are replaced by ones with advice on the configuration."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from marketo_opps import (
    CrmManagedError,
    DataError,
    FieldDescription,
    MarketoClient,
    MarketoError,
    ObjectDescription,
    Reason,
    RequestRefusedError,
    SettingsError,
)
from marketo_opps.errors import TransientError
from tap_marketo_opps.errors import (
    NoOpportunitiesError,
    NoRolesError,
    NoSuchListError,
    NotResumableError,
    UnknownFieldError,
)
from tap_marketo_opps.finding.finders import FilterFinder
from tap_marketo_opps.finding.list_finder import LeadListFinder
from tap_marketo_opps.sync.error_advice import is_resumable, with_advice

DEALS = "query GET /v1/opportunities.json"
ROLES = "query GET /v1/opportunities/roles.json"
LEADS = "query GET /v1/leads.json"
LIST = "GET /v1/lists/7/leads.json"
NO_FIELD = Reason("1006", "Field 'mood' not found")
BY_FILTER = Mock(spec=FilterFinder, filter_type="stage")
BY_LIST = Mock(spec=LeadListFinder, list_id=7)


def client_of(*searchable):
    fields = tuple(FieldDescription(name, "", "string") for name in (*searchable, "mood"))
    client = Mock(spec=MarketoClient)
    client.describe.return_value = ObjectDescription(
        "", "marketoGUID", (), tuple((name,) for name in searchable), fields
    )
    return client


def refused(call, *reasons, kind=DataError):
    return kind(call, reasons or [NO_FIELD], "1#2")


def advice(error, finder=None, *, client=None, deals=(), roles=()):
    fields = {"opportunities": deals, "opportunity_roles": roles}
    return with_advice(error, client or client_of("stage"), finder, fields)


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (refused(DEALS), True),
        (MarketoError("x"), True),
        (NotResumableError("x"), False),
        (SettingsError("x"), False),
        (refused(DEALS, kind=CrmManagedError), False),
    ],
)
def test_errors_of_the_configuration_are_not_resumable(error, is_so):
    assert is_resumable(error) is is_so


@pytest.mark.parametrize("kind", [DataError, RequestRefusedError])
def test_a_field_that_a_catalog_selects_is_named(kind):
    error = advice(refused(DEALS, kind=kind), deals=["name", "mood"], roles=["role"])
    assert isinstance(error, UnknownFieldError)
    assert "The catalog selects field 'mood', which" in str(error)
    assert isinstance(advice(refused(ROLES, kind=kind), roles=["mood"]), UnknownFieldError)


@pytest.mark.parametrize(
    "error",
    [
        refused(DEALS, Reason("1003", "Field 'mood' is bad")),
        refused(ROLES),
        refused(DEALS, Reason("1006", "Field 'moody' not found")),
        refused(DEALS, kind=TransientError),
        MarketoError("Field 'mood' not found"),
    ],
)
def test_other_errors_stay_as_they_are(error):
    assert advice(error, deals=["mood"]) is error


def test_every_reason_is_searched_for_the_field():
    reasons = Reason("1003", "Bad"), Reason("1006", "Field 'a' not found"), NO_FIELD
    assert "field 'mood'" in str(advice(refused(DEALS, *reasons), deals=["mood"]))


def test_a_lead_field_is_named_as_the_catalog_names_it():
    error = refused(LEADS, Reason("1006", "Field 'email' not found"))
    assert "selects field 'lead_email'" in str(advice(error, roles=["role", "lead_email"]))
    assert advice(error, roles=["email"], deals=["email"]) is error


def test_a_list_that_cannot_be_read_is_named_by_its_setting():
    error = refused(LIST, kind=RequestRefusedError)
    told = advice(error, BY_LIST)
    assert isinstance(told, NoSuchListError)
    assert "lead_list_id is 7: set it to the ID of a static list" in str(told)
    assert advice(error, BY_FILTER) is error
    assert isinstance(advice(refused(DEALS), BY_LIST, deals=["mood"]), UnknownFieldError)


@pytest.mark.parametrize(
    "error",
    [
        refused(ROLES, kind=CrmManagedError),
        refused(ROLES, Reason("610", "Not found"), kind=RequestRefusedError),
    ],
)
def test_an_instance_without_roles_is_told(error):
    told = advice(error, BY_FILTER)
    assert isinstance(told, NoRolesError)
    assert "Set find_by to filter and deselect opportunity_roles." in str(told)


def test_an_instance_whose_opportunities_belong_to_a_crm_is_told():
    error = refused(DEALS, Reason("1018", "CRM"), kind=CrmManagedError)
    told = advice(error, BY_FILTER)
    assert isinstance(told, NoOpportunitiesError)
    assert str(told) == str(error)


class TestFilterType:
    ERROR = refused(DEALS, Reason("1003", "Invalid filterType 'region'"))

    def test_a_field_that_is_not_searchable_is_told_with_the_choices(self):
        finder = Mock(spec=FilterFinder, filter_type="region")
        told = advice(self.ERROR, finder, client=client_of("stage", "name"))
        assert isinstance(told, SettingsError)
        assert str(told).startswith("filter_type 'region' is not searchable on this instance: ")
        assert "stage, name" in str(told)

    def test_a_searchable_field_is_not_blamed(self):
        assert advice(self.ERROR, BY_FILTER) is self.ERROR
        assert isinstance(advice(refused(DEALS), BY_FILTER, deals=["mood"]), UnknownFieldError)

    def test_nor_is_it_if_the_roles_were_refused_or_describe_fails(self):
        finder = Mock(spec=FilterFinder, filter_type="region")
        error = refused(ROLES, Reason("1003", "Bad"))
        assert advice(error, finder) is error
        client = client_of()
        client.describe.side_effect = MarketoError("no")
        assert advice(self.ERROR, finder, client=client) is self.ERROR
