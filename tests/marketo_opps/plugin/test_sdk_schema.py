"""Values of `stream_maps` that the SDK's own schema does not refuse in a sentence."""

from __future__ import annotations

import copy

import jsonschema
import pytest
from singer_sdk.helpers.capabilities import STREAM_MAPS_CONFIG

from marketo_opps.plugin.sdk_schema import corrected_maps, with_least_depth

OF_SDK = STREAM_MAPS_CONFIG["properties"]["stream_maps"]


def faults(maps):
    return [*jsonschema.Draft7Validator(corrected_maps(OF_SDK)).iter_errors(maps)]


@pytest.mark.parametrize(
    "maps",
    [
        None,
        {},
        {"__else__": None},
        {"__else__": "__NULL__"},
        {"deals": None},
        {"deals": "__NULL__"},
        {"deals": {"__else__": None, "name": None, "stage": "name", "x": "__NULL__"}},
        {"deals": {"__else__": "__NULL__", "__filter__": "a", "__key_properties__": ["id"]}},
        {"deals": {"__alias__": "crm"}, "copy": {"__source__": "deals"}},
        {"deals": {"__filter__": None, "__key_properties__": None}},
    ],
)
def test_valid_maps_are_accepted(maps):
    assert faults(maps) == []


@pytest.mark.parametrize(
    "maps",
    [
        5,
        {"__else__": 5},
        {"deals": 5},
        {"deals": {"__else__": 5}},
        {"deals": {"__alias__": None}},
        {"deals": {"__source__": None}},
        {"deals": {"name": 5}},
    ],
)
def test_invalid_maps_are_refused(maps):
    (fault,) = faults(maps)
    assert fault.absolute_path or maps == 5


def test_the_sdks_own_schema_is_not_changed():
    before = copy.deepcopy(OF_SDK)
    assert corrected_maps(OF_SDK) != before
    assert before == OF_SDK


def test_a_corrected_schema_is_valid_and_stays_as_it_is():
    schema = corrected_maps(OF_SDK)
    jsonschema.Draft7Validator.check_schema(schema)
    assert corrected_maps(schema) == schema


def test_the_least_depth_is_added_to_a_copy_of_the_schema():
    schema = {"type": ["integer", "null"]}
    assert with_least_depth(schema) == {"type": ["integer", "null"], "minimum": 0}
    assert "minimum" not in schema
