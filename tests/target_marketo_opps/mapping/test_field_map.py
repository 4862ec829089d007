"""The setting `field_map`: its faults, and the advice to use it."""

from __future__ import annotations

import pytest

from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.field_map import FieldMap, key_advice

FIELDS = ["externalOpportunityId", "name", "amount"]


def faults(properties, **names):
    with pytest.raises(UnwritableStreamError) as caught:
        FieldMap("crm", names).check(properties, FIELDS)
    return str(caught.value)


def test_a_property_keeps_its_name_unless_it_is_mapped():
    names = FieldMap("crm", {"id": "externalOpportunityId"})
    assert [names.renamed(each) for each in ("id", "amount")] == ["externalOpportunityId", "amount"]
    names.check(["id", "amount"], FIELDS)


def test_without_a_map_nothing_is_checked():
    FieldMap("crm", {}).check(["a", "a"], ())


def test_all_faults_are_named_at_once():
    assert faults(["title", "value"], titel="name", value="amuont") == (
        "Stream 'crm': invalid field_map: the SCHEMA has no property 'titel' (near: 'title'); "
        "the object has no field 'amuont' (near: 'amount')."
    )


def test_two_properties_of_one_field_are_both_named():
    said = "Stream 'crm': invalid field_map: 'title' and 'name' both map to field 'name'."
    assert faults(["title", "name"], title="name") == said
    assert "'a' and 'b' both map" in faults(["a", "b"], a="name", b="name")


@pytest.mark.parametrize(
    ("field", "properties", "likely"),
    [
        ("externalOpportunityId", ["stage", "Deal_ID", "id"], "Deal_ID"),
        ("externalOpportunityId", ["id", "external_opportunity_key"], "external_opportunity_key"),
        ("externalOpportunityId", ["stage"], "..."),
        ("role", ["deal_id", "stage"], "..."),
    ],
)
def test_the_example_names_a_similar_property_or_an_id(field, properties, likely):
    assert f'{{"crm": {{"{likely}": "{field}"}}}}' in key_advice("crm", [field], properties)


@pytest.mark.parametrize(
    ("count", "end"),
    [(0, "none)."), (1, "'p0')."), (30, "'p29')."), (31, "'p29' and 1 more).")],
)
def test_at_most_thirty_properties_are_listed(count, end):
    said = key_advice("crm", ["role"], [f"p{number}" for number in range(count)])
    assert said.startswith("Map the key in field_map, as in ")
    assert f"(properties of the stream: {end}" in said or said.endswith(f", {end}")
