"""The descriptions of an instance: when they are requested, and what is added to them."""

from __future__ import annotations

import pytest

from marketo_opps import (
    AccessDeniedError,
    FieldDescription,
    LeadDescription,
    MarketoObject,
    ObjectDescription,
    Reason,
    RequestRefusedError,
    SettingsError,
)
from tap_marketo_opps.descriptions import Descriptions, unknown_types

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES
DENIED = AccessDeniedError("GET /describe", [Reason("603", "Denied")], "r")
NO_ROLES = RequestRefusedError("GET /describe", [Reason("610", "Not found")], "r")
LEADS = LeadDescription(
    (
        FieldDescription("email", "Email Address", "email", 255),
        FieldDescription("id", "Id", "integer"),
    )
)


def described(name, *fields):
    return ObjectDescription(name, "marketoGUID", (), (), fields)


class Instance:
    """A client that describes an instance, and records what was asked."""

    def __init__(self, opportunities=(), roles=(), error=None):
        self.asked = []
        self._fields = {OPPORTUNITIES: opportunities, ROLES: roles}
        self._error = error

    def describe(self, obj):
        self.asked.append(obj)
        if self._error:
            raise self._error
        return described(str(obj), *self._fields[obj])

    def describe_leads(self):
        self.asked.append("leads")
        return LEADS


AMOUNT = FieldDescription("amount", "Amount", "currency")
CREATED = FieldDescription("createdAt", "Created", "datetime")


def test_each_description_is_requested_once_and_only_if_used():
    instance = Instance([AMOUNT], [CREATED])
    descriptions = Descriptions(instance, {"lead_email": "email"})
    assert instance.asked == []
    for _ in range(2):
        assert descriptions.opportunities.field_names == ("amount", "createdAt", "updatedAt")
        assert descriptions.roles.field_names == ("createdAt", "updatedAt")
        assert descriptions.lead_fields
    assert instance.asked == [OPPORTUNITIES, ROLES, "leads"]


def test_lead_fields_have_the_names_of_columns():
    descriptions = Descriptions(Instance(), {"lead_email": "email", "lead_id": "id"})
    assert descriptions.lead_fields == (
        FieldDescription("lead_email", "Lead: Email Address", "email", 255),
        FieldDescription("lead_id", "Lead: Id", "integer"),
    )


def test_leads_are_not_described_without_lead_fields():
    instance = Instance()
    assert Descriptions(instance).lead_fields == ()
    assert instance.asked == []


def test_lead_fields_that_there_are_not_are_all_named():
    columns = {"lead_emial": "emial", "lead_id": "id", "lead_Id": "Qx"}
    with pytest.raises(SettingsError) as caught:
        _ = Descriptions(Instance(), columns).lead_fields
    told = str(caught.value)
    assert told.startswith("lead_fields includes fields that leads of this instance do not have: ")
    assert ": 'emial' (near: 'email'), 'Qx'. " in told


def test_roles_have_the_lead_fields_after_their_own():
    descriptions = Descriptions(Instance(roles=[AMOUNT, CREATED]), {"lead_email": "email"})
    roles = descriptions.roles_if_any()
    assert roles.field_names == ("amount", "createdAt", "updatedAt", "lead_email")
    assert roles.name == str(ROLES)


def test_an_instance_without_roles_is_warned_of(caplog):
    assert Descriptions(Instance(error=NO_ROLES)).roles_if_any() is None
    (warning,) = caplog.records
    assert (warning.name, warning.levelname) == ("tap-marketo-opps", "WARNING")
    assert warning.getMessage().startswith("Marketo refused GET /describe: 610 Not found")
    assert "Without roles" in warning.getMessage()


def test_roles_that_may_not_be_read_are_an_error(caplog):
    with pytest.raises(AccessDeniedError):
        Descriptions(Instance(error=DENIED)).roles_if_any()
    assert not caplog.records


def test_unknown_types_are_told_with_their_first_field(caplog):
    caplog.set_level("INFO", "tap-marketo-opps")
    fields = [
        FieldDescription("a", "A", "geohash"),
        AMOUNT,
        FieldDescription("b", "B", "geohash"),
        FieldDescription("c", "C", "vector"),
    ]
    assert unknown_types(described("x", *fields)) == {"a": "geohash", "c": "vector"}
    _ = Descriptions(Instance(fields)).opportunities
    first, second = caplog.messages
    assert first.startswith("Unknown data type 'geohash' of field a:")
    assert second.startswith("Unknown data type 'vector' of field c:")
