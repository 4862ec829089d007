"""Descriptions of an instance for the target: how many calls they cost, and what they check."""

from __future__ import annotations

import pytest

from marketo_opps import FieldDescription, LeadDescription, MarketoObject
from target_marketo_opps.descriptions import Descriptions
from target_marketo_opps.errors import UnwritableStreamError
from tests.target_marketo_opps.fake_marketo import FakeMarketo

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES


class Instance(FakeMarketo):
    """An instance whose leads can be looked up by `searchable` fields, or which lists none."""

    def __init__(self, searchable=("id", "email")):
        super().__init__()
        self._searchable = searchable

    def searchable_lead_fields(self):
        return self._searchable and frozenset(self._searchable)

    def describe_leads(self):
        names = ("id", "email", "company")
        return LeadDescription(tuple(FieldDescription(name, "", "string") for name in names))


@pytest.fixture
def make():
    """Return a function that makes descriptions, and a list of the calls that they make."""

    def make(lookup_field=None, instance=None):
        made = []

        def call(function):
            made.append(function)
            return function()

        return Descriptions(instance or Instance(), call, lookup_field=lookup_field), made

    return make


def test_each_object_is_described_once(make):
    descriptions, made = make()
    assert descriptions.calls == 0
    for _ in range(2):
        assert descriptions.of(OPPORTUNITIES).name == OPPORTUNITIES
        assert descriptions.of(ROLES).name == ROLES
    assert len(made) == descriptions.calls == 2


def test_without_a_lookup_field_no_call_is_made(make):
    descriptions, made = make()
    assert descriptions.lead_lookup_field("roles") is None
    assert len(made) == descriptions.calls == 0


def test_a_searchable_lookup_field_is_checked_once(make):
    descriptions, made = make("email")
    assert [descriptions.lead_lookup_field(name) for name in ("roles", "more")] == ["email"] * 2
    assert len(made) == descriptions.calls == 1


def test_where_none_are_listed_any_field_of_leads_will_do(make):
    descriptions, made = make("company", Instance(searchable=None))
    assert descriptions.lead_lookup_field("roles") == "company"
    assert len(made) == descriptions.calls == 2


@pytest.mark.parametrize(
    ("field", "why"), [("emial", "no field 'emial'"), ("company", "looked up")]
)
def test_a_field_that_cannot_be_used_is_refused_each_time(make, field, why):
    descriptions, _ = make(field)
    for calls in (2, 4):
        with pytest.raises(UnwritableStreamError, match=rf"Stream 'deals'.*{why}"):
            descriptions.lead_lookup_field("deals")
        assert descriptions.calls == calls
