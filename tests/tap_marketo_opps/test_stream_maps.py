"""Stream maps of selected streams, and entries of `stream_maps` without effect."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.singerlib import Metadata, MetadataMapping, Schema
from singer_sdk.singerlib.catalog import CatalogEntry

from marketo_opps import SettingsError
from tap_marketo_opps.stream_maps import idle_maps, new_mapper, register

LOGGER = logging.getLogger("tap-marketo-opps")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "stage": {"type": "string"}}}


def entry(tap_stream_id, stream=None):
    return CatalogEntry(
        tap_stream_id,
        MetadataMapping({(): Metadata(selected=True)}),
        Schema.from_dict(SCHEMA),
        stream=stream,
    )


@pytest.fixture
def registered(caplog):
    """Return a function that returns the maps of these entries, and all warnings."""
    caplog.set_level("WARNING", "tap-marketo-opps")

    def run(maps, *entries):
        mapper = new_mapper({"stream_maps": maps}, LOGGER)
        register(mapper, iter(entries), LOGGER)
        return mapper.stream_maps, caplog.messages

    return run


def test_the_settings_stay_as_they_are():
    config = {"stream_maps": {"__else__": None, "leads": {}}}
    assert new_mapper(config, LOGGER).stream_maps_dict == {"leads": {}}
    assert config == {"stream_maps": {"__else__": None, "leads": {}}}


@pytest.mark.parametrize("config", [{}, {"stream_maps": None}])
def test_without_the_setting_there_are_no_maps(config):
    assert new_mapper(config, LOGGER).stream_maps_dict == {}


def test_a_mapper_has_the_other_settings_for_maps():
    config = {
        "stream_map_config": {"salt": "x"},
        "flattening_enabled": True,
        "flattening_max_depth": 2,
    }
    mapper = new_mapper(config, LOGGER)
    assert mapper.map_config == {"salt": "x"}
    assert mapper.flattening_options.max_level == 2
    assert mapper.logger is LOGGER


def test_an_unknown_operator_is_refused():
    with pytest.raises(StreamMapConfigError, match="__other__"):
        new_mapper({"stream_maps": {"__other__": None}}, LOGGER)


def test_each_selected_stream_is_compiled_by_its_name(registered):
    maps = {"deals": {"label": "name + '!'"}}
    compiled, warnings = registered(maps, entry("roles"), entry("opportunities", "deals"))
    assert set(compiled) == {"roles", "deals"}
    assert compiled["deals"][0].transform({"name": "A", "stage": "B"}) == {
        "name": "A",
        "stage": "B",
        "label": "A!",
    }
    assert compiled["roles"][0].transform({"name": "A"}) == {"name": "A"}
    assert warnings == []


def test_a_map_that_is_refused_by_the_sdk_says_why(registered):
    with pytest.raises(MapExpressionError, match="Failed to evaluate"):
        registered({"deals": {"__alias__": "name()"}}, entry("deals"))


def test_an_invalid_expression_of_a_selected_stream_is_named(registered):
    maps = {"roles": {"name": "("}, "d*": {"name": ""}}
    with pytest.raises(SettingsError, match=r"'stream_maps'\['d\*'\]\['name'\]: must be"):
        registered(maps, entry("deals"))


def test_an_entry_without_effect_is_warned_of(registered):
    _, (warning,) = registered({"opps": {}, "roles": {}}, entry("roles"), entry("a", "deals"))
    assert warning.startswith("stream_maps: 'opps' has no effect")
    assert "(selected: deals, roles)" in warning


def test_a_catalog_that_selects_nothing_is_warned_of(registered):
    compiled, (nothing, idle) = registered({"opps": {}})
    assert compiled == {}
    assert nothing == "The catalog selects no stream: nothing to do."
    assert "'opps' has no effect" in idle
    assert "(selected: none)" in idle


@pytest.mark.parametrize(
    ("entry", "definition", "is_idle"),
    [
        ("deals", {}, False),
        ("deal", {}, True),
        ("deals", None, False),
        ("d*", "__NULL__", False),
        ("copy", {"__source__": "deals"}, False),
        ("copy", {"__source__": "*l*"}, False),
        ("deals", {"__source__": "other"}, True),
    ],
)
def test_a_map_has_effect_if_its_source_is_selected(entry, definition, is_idle):
    maps = {entry: definition}
    assert idle_maps(maps, ["deals", "roles"]) == ([entry] if is_idle else [])
