"""Test the mapping of roles whose lead is looked up; no calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketo_opps import decode_record
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.lead_properties import LeadProperties
from target_marketo_opps.mapping.lookup_role_mapping import LookupRoleMapping
from target_marketo_opps.mapping.mapped_record import RecordError
from target_marketo_opps.mapping.stream_notes import StreamNotes
from target_marketo_opps.settings import TargetSettings
from tests.target_marketo_opps.mapping.objects import ROLES

NAMES = ("externalOpportunityId", "leadId", "lead_email", "role")
ROLE = {"externalOpportunityId": "A", "role": "Buyer"}


def mapping(names=NAMES, *, description=ROLES, is_closed=False, notes=None, **settings):
    return LookupRoleMapping(
        "roles",
        names,
        description=description,
        settings=TargetSettings(**settings),
        notes=notes or StreamNotes("roles"),
        leads=LeadProperties("email", description.field_names),
        is_closed=is_closed,
    )


def reasons(role):
    with pytest.raises(RecordError) as caught:
        mapping().map(role)
    return [str(why) for why in caught.value.reasons]


def test_key_and_body_lack_the_lead_until_it_is_known():
    mapped = mapping().map({**ROLE, "leadId": 5, "lead_email": "ann@x"})
    assert mapped.key == ("a", "buyer")
    assert mapped.ordering_keys == ("a",)
    assert decode_record(mapped.body) == ROLE
    assert mapped.lead_value == "ann@x"


def test_invalid_lead_id_of_a_role_is_ignored():
    mapped = mapping().map({**ROLE, "leadId": {"a": 1}, "lead_email": "ann@x"})
    assert decode_record(mapped.body) == ROLE


def test_a_delete_has_the_key_alone():
    mapped = mapping().map_key({**ROLE, "isPrimary": "x", "lead_email": "ann@x"})
    assert decode_record(mapped.body) == ROLE
    assert mapped.lead_value == "ann@x"


@pytest.mark.parametrize(
    ("value", "text"),
    [(" ann@x ", "ann@x"), (7, "7"), (7.0, "7"), ("007", "007"), (1e20, "1" + "0" * 20)],
)
def test_lookup_value_is_the_text_sent_to_marketo(value, text):
    assert mapping().map({**ROLE, "lead_email": value}).lead_value == text


def test_all_faults_of_a_record_are_told_together():
    told = reasons({"role": "x" * 300, "lead_email": "a,b"})
    assert len(told) == 3
    assert any("is longer than" in each for each in told)
    assert any("Missing value for key field 'externalOpportunityId'" in each for each in told)
    assert any("contains a comma" in each for each in told)


def test_faults_are_those_of_the_role_and_of_its_lookup_value():
    told = mapping().faults({**ROLE, "role": "x" * 300, "lead_email": "a,b"})
    assert len(told) == 2
    assert "is longer than" in told[0].message
    assert "contains a comma" in told[1].message
    assert mapping().faults({**ROLE, "lead_email": "ann@x"}) == ()


def test_missing_lookup_value_is_told_by_the_name_of_the_field():
    (told,) = reasons(ROLE)
    assert "Missing value for 'email', which is needed to look up the lead" in told


def test_role_is_named_by_its_opportunity():
    role = {**ROLE, "leadId": 5, "lead_email": "ann@x"}
    assert mapping().display_key(role) == "A"
    assert mapping().key_of(role) == ROLE


def test_property_with_a_value_is_used_for_the_lookup():
    assert mapping().map({**ROLE, "lead_email": None, "email": "ann@x"}).lead_value == "ann@x"
    assert mapping().map({**ROLE, "lead_email": "7", "email": 7}).lead_value == "7"


def test_a_property_that_a_closed_schema_lacks_finds_no_lead():
    closed = mapping(is_closed=True)
    with pytest.raises(RecordError):
        closed.map({**ROLE, "email": "ann@x"})
    assert closed.map({**ROLE, "email": "bob@x", "lead_email": "ann@x"}).lead_value == "ann@x"


def test_properties_of_the_lead_are_not_unknown_fields():
    notes = StreamNotes("roles")
    names = (*NAMES, "lead_company", "LEAD_anything", "email", "leading")
    mapping(names, notes=notes)
    (warning,) = notes.warnings()
    assert "no field for 'leading'" in warning


def test_a_field_of_roles_does_not_find_the_lead():
    description = replace(ROLES, fields=(*ROLES.fields, replace(ROLES.fields[-1], name="email")))
    with pytest.raises(UnwritableStreamError, match="has no property 'lead_email', which"):
        mapping(("externalOpportunityId", "role", "email"), description=description)


def test_a_schema_without_the_property_is_refused():
    words = "Stream 'roles' has no property 'lead_email' or 'email'.*externalOpportunityId"
    with pytest.raises(UnwritableStreamError, match=words):
        mapping(("externalOpportunityId", "role"))


def test_field_map_names_the_property_and_may_name_no_two():
    chosen = {"field_map": {"roles": {"contact": "lead_email"}}}
    names = ("externalOpportunityId", "role", "contact")
    assert mapping(names, **chosen).map({**ROLE, "contact": "ann@x"}).lead_value == "ann@x"
    with pytest.raises(UnwritableStreamError, match="both map to field 'lead_email'"):
        mapping((*names, "lead_email"), **chosen)


@pytest.mark.parametrize("missing", ["leadId", "externalOpportunityId"])
def test_roles_with_other_key_fields_are_refused(missing):
    keys = tuple(name for name in ROLES.dedupe_fields if name != missing)
    with pytest.raises(UnwritableStreamError, match=f"do not include {missing}"):
        mapping(description=replace(ROLES, dedupe_fields=keys))
