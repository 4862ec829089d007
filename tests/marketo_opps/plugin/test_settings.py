"""The check of a plugin's configuration: which errors and warnings it gives."""

from __future__ import annotations

import logging
from dataclasses import fields

import pytest

from marketo_opps import ConnectionSettings
from marketo_opps.plugin.settings import (
    CONNECTION_SETTINGS,
    REQUIRED_SETTINGS,
    SHARED_SETTINGS,
    setting_errors,
    warn_unknown_settings,
)

GOOD = {
    "endpoint": "https://123-ABC-456.mktorest.com/rest",
    "client_id": "an-id",
    "client_secret": "the-secret",
}
SCHEMA = {
    "type": "object",
    "properties": SHARED_SETTINGS
    | {"filter_values": {"type": "array", "items": {"type": "string"}}},
    "required": list(REQUIRED_SETTINGS),
}


class TestConnectionSettings:
    def test_they_are_the_members_of_the_connection_settings(self):
        assert list(CONNECTION_SETTINGS) == [field.name for field in fields(ConnectionSettings)]

    def test_their_defaults_are_those_of_the_connection_settings(self):
        settings = ConnectionSettings.from_config(GOOD)
        defaults = {
            name: each["default"] for name, each in CONNECTION_SETTINGS.items() if "default" in each
        }
        assert {name: getattr(settings, name) for name in defaults} == defaults
        assert len(defaults) == 3


class TestSettingErrors:
    def test_a_good_configuration_has_none(self):
        assert setting_errors(GOOD, SCHEMA) == []

    def test_each_missing_setting_is_told_once(self):
        assert setting_errors({}, SCHEMA) == [
            "Setting 'endpoint' is missing.",
            "Setting 'client_id' is missing.",
            "Setting 'client_secret' is missing.",
        ]

    def test_an_empty_one_and_a_bad_endpoint_are_told(self):
        assert setting_errors(GOOD | {"client_id": " "}, SCHEMA) == [
            "Setting 'client_id' is missing or empty."
        ]
        (told,) = setting_errors(GOOD | {"endpoint": "nonsense"}, SCHEMA)
        assert "no URL" in told

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("calls_per_20_seconds", 101, "must be at most 100 (got 101)"),
            ("max_concurrent_calls", 0, "must be at least 1 (got 0)"),
            ("max_retry_seconds", "soon", "must be an integer (got 'soon')"),
            ("endpoint", 5, "must be a string (got 5)"),
        ],
    )
    def test_a_value_that_cannot_be_right_is_named_with_the_reason(self, name, value, told):
        assert setting_errors(GOOD | {name: value}, SCHEMA) == [
            f"Invalid value for setting '{name}': {told}."
        ]

    def test_the_place_within_a_setting_is_told(self):
        assert setting_errors(GOOD | {"filter_values": ["a", 2]}, SCHEMA) == [
            "Invalid value for setting 'filter_values'[1]: must be a string."
        ]

    @pytest.mark.parametrize(
        ("schema", "value", "told"),
        [
            ({"enum": ["a", "b", None]}, "x", "must be one of a, b (got 'x')"),
            ({"type": ["integer", "null"]}, "x", "must be an integer (got 'x')"),
            ({"type": ["boolean", "null"]}, 5, "must be a boolean (got 5)"),
            ({"type": ["array", "null"]}, 5, "must be a list"),
            ({"type": "object"}, 5, "must be an object"),
            ({"type": "number"}, "x", "must be a number (got 'x')"),
            ({"type": ["string", "integer"]}, [], "must be a string or an integer"),
        ],
    )
    def test_what_is_wrong_is_told_without_words_of_a_schema(self, schema, value, told):
        properties = {**SCHEMA["properties"], "one": schema}
        assert setting_errors(GOOD | {"one": value}, SCHEMA | {"properties": properties}) == [
            f"Invalid value for setting 'one': {told}."
        ]

    def test_every_wrong_setting_is_told(self):
        config = GOOD | {"calls_per_20_seconds": 0, "max_concurrent_calls": 0}
        assert len(setting_errors(config, SCHEMA)) == 2

    @pytest.mark.parametrize("name", ["client_id", "client_secret"])
    def test_a_secret_is_never_quoted(self, name):
        told = setting_errors(GOOD | {name: ["hush", 987654]}, SCHEMA)
        assert told == [f"Invalid value for setting '{name}': must be a non-empty string."]

    def test_what_is_wrong_with_the_whole_is_told_without_quoting_it(self):
        assert setting_errors(GOOD, SCHEMA | {"maxProperties": 1}) == [
            "Invalid configuration: it violates 'maxProperties' of the settings schema."
        ]


class TestUnknownSettings:
    LOGGER = logging.getLogger("a-plugin")

    def told(self, caplog, **config):
        warn_unknown_settings(GOOD | config, SCHEMA, self.LOGGER)
        assert {record.levelname for record in caplog.records} <= {"WARNING"}
        return caplog.messages

    def test_known_ones_are_not_told(self, caplog):
        assert self.told(caplog, filter_values=["a"]) == []

    def test_a_slip_of_the_pen_is_told_with_what_was_meant_and_without_its_value(self, caplog):
        assert self.told(caplog, clientsecret="hush") == [
            "Setting 'clientsecret' is unknown and has no effect; did you mean 'client_secret'?"
        ]

    @pytest.mark.parametrize("name", ["batch_config", "load_method", "validate_records"])
    def test_one_that_is_near_to_none_is_told_without_a_question(self, caplog, name):
        told = f"Setting '{name}' is unknown and has no effect."
        assert self.told(caplog, **{name: {"secret": "hush"}}) == [told]
