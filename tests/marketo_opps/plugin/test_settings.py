"""The validation of a plugin's settings: its errors and warnings."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import fields

import pytest

from marketo_opps import ConnectionSettings
from marketo_opps.plugin.settings import (
    CONNECTION_SETTINGS,
    REQUIRED_SETTINGS,
    SHARED_SETTINGS,
    setting_errors,
    warn_unknown_settings,
    with_whole_numbers,
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
    def test_schema_and_class_have_the_same_settings(self):
        assert list(CONNECTION_SETTINGS) == [field.name for field in fields(ConnectionSettings)]

    def test_schema_and_class_have_the_same_defaults(self):
        settings = ConnectionSettings.from_config(GOOD)
        defaults = {
            name: each["default"] for name, each in CONNECTION_SETTINGS.items() if "default" in each
        }
        assert {name: getattr(settings, name) for name in defaults} == defaults
        assert len(defaults) == 3


class TestSettingErrors:
    def test_a_valid_configuration_has_no_errors(self):
        assert setting_errors(GOOD, SCHEMA) == []

    def test_each_missing_setting_is_reported_once(self):
        assert setting_errors({}, SCHEMA) == [
            "Setting 'endpoint' is missing.",
            "Setting 'client_id' is missing.",
            "Setting 'client_secret' is missing.",
        ]

    def test_each_empty_setting_is_reported_with_other_errors(self):
        empty = dict.fromkeys(GOOD, "") | {"endpoint": "nonsense", "max_concurrent_calls": 0}
        out_of_range, of_endpoint, *missing = setting_errors(empty, SCHEMA)
        assert "must be at least 1 (got 0)" in out_of_range
        assert "not a URL" in of_endpoint
        assert missing == [
            "Setting 'client_id' is missing or empty.",
            "Setting 'client_secret' is missing or empty.",
        ]

    def test_an_empty_setting_and_an_invalid_endpoint_are_errors(self):
        assert setting_errors(GOOD | {"client_id": " "}, SCHEMA) == [
            "Setting 'client_id' is missing or empty."
        ]
        (told,) = setting_errors(GOOD | {"endpoint": "nonsense"}, SCHEMA)
        assert "not a URL" in told

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("calls_per_20_seconds", 101, "must be at most 100 (got 101)"),
            ("max_concurrent_calls", 0, "must be at least 1 (got 0)"),
            ("max_retry_seconds", "soon", "must be an integer (got 'soon')"),
            ("endpoint", 5, "must be a string (got 5)"),
        ],
    )
    def test_an_invalid_value_is_reported_with_the_reason(self, name, value, told):
        assert setting_errors(GOOD | {name: value}, SCHEMA) == [
            f"Invalid value for setting '{name}': {told}."
        ]

    @pytest.mark.parametrize(
        ("name", "value", "place"),
        [
            *[(name, "\ud800", "") for name in SCHEMA["properties"]],
            ("filter_values", ["a", "b\udfff"], "[1]"),
            ("filter_values", [{"\ud800": 1}], "[0]"),
            ("filter_values", [1, {"a": None, "b": ["\ud800"]}], "[1]['b'][0]"),
        ],
    )
    def test_half_a_surrogate_pair_is_the_only_error_of_a_setting(self, name, value, place):
        (told,) = setting_errors(GOOD | {name: value}, SCHEMA)
        assert told == (
            f"Invalid value for setting '{name}'{place}: must be text in UTF-8, without half a "
            "surrogate pair."
        )

    def test_errors_of_other_settings_follow_half_a_surrogate_pair(self):
        halves = {"client_id": "\ud800", "unknown": "\ud800"}
        of_id, *others = setting_errors(halves | {"endpoint": "nonsense"}, SCHEMA)
        assert "'client_id': must be text in UTF-8" in of_id
        assert others[0] == "Setting 'client_secret' is missing."
        assert "not a URL" in others[1]
        assert len(others) == 2

    def test_the_position_within_a_list_is_reported(self):
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
    def test_errors_do_not_use_the_words_of_json_schema(self, schema, value, told):
        properties = {**SCHEMA["properties"], "one": schema}
        assert setting_errors(GOOD | {"one": value}, SCHEMA | {"properties": properties}) == [
            f"Invalid value for setting 'one': {told}."
        ]

    def test_the_position_within_an_object_is_reported(self):
        maps = {"type": "object", "additionalProperties": {"type": "array", "maxItems": 1}}
        schema = SCHEMA | {"properties": {**SCHEMA["properties"], "maps": maps}}
        maps["additionalProperties"]["items"] = {"type": "string"}
        assert setting_errors(GOOD | {"maps": {"a": [{}]}}, schema) == [
            "Invalid value for setting 'maps'['a'][0]: must be a string."
        ]

    MAPS: t.ClassVar = {
        "additionalProperties": {
            "anyOf": [
                {"const": "__NULL__"},
                {"type": ["null"]},
                {"type": "object", "additionalProperties": {"type": "string"}},
                {"type": ["array", "integer"]},
                {"not": {}},
            ]
        }
    }

    @pytest.mark.parametrize(
        ("maps", "told"),
        [
            ({"a": {"b": "c"}, "d": "__NULL__", "e": None, "f": 5}, []),
            ({"a": "hush"}, ["['a']: must be __NULL__ or an object or a list or an integer."]),
            ({"a": {"b": 5}}, ["['a']['b']: must be a string."]),
            (
                {"a": {"b": 5, "c": "d", "e": []}},
                ["['a']['b']: must be a string.", "['a']['e']: must be a string."],
            ),
        ],
    )
    def test_of_alternatives_what_is_wrong_inside_is_reported(self, maps, told):
        schema = SCHEMA | {"properties": {**SCHEMA["properties"], "maps": self.MAPS}}
        assert setting_errors(GOOD | {"maps": maps}, schema) == [
            f"Invalid value for setting 'maps'{each}" for each in told
        ]

    def test_errors_are_in_the_order_of_the_names(self):
        wrong = ["max_concurrent_calls", "daily_call_limit", "user_agent"]
        told = setting_errors(GOOD | dict.fromkeys(wrong, True), SCHEMA)
        assert [each.split("'")[1] for each in told] == sorted(wrong)

    def test_a_user_agent_that_http_forbids_is_an_error(self):
        (told,) = setting_errors(GOOD | {"user_agent": "a\nb"}, SCHEMA)
        assert told.startswith("Invalid value for setting 'user_agent': ")
        assert setting_errors(GOOD | {"user_agent": None}, SCHEMA) == []

    def test_every_invalid_setting_is_reported(self):
        config = GOOD | {"calls_per_20_seconds": 0, "max_concurrent_calls": 0}
        assert len(setting_errors(config, SCHEMA)) == 2

    @pytest.mark.parametrize("name", ["client_id", "client_secret"])
    def test_a_secret_is_never_quoted(self, name):
        told = setting_errors(GOOD | {name: ["hush", 987654]}, SCHEMA)
        assert told == [f"Invalid value for setting '{name}': must be a non-empty string."]

    def test_an_invalid_configuration_is_not_quoted(self):
        assert setting_errors(GOOD, SCHEMA | {"maxProperties": 1}) == [
            "Invalid configuration: it violates 'maxProperties' of the settings schema."
        ]


class TestWholeNumbers:
    PROPERTIES: t.ClassVar = {
        "number": {"type": "integer"},
        "perhaps": {"type": ["integer", "null"]},
        "ratio": {"type": "number"},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "ratios": {"type": "array", "items": {"type": "number"}},
        "bare": {"type": "array"},
        "choice": {"enum": [5.0]},
    }

    @pytest.mark.parametrize(
        ("name", "given", "read"),
        [
            ("number", 50.0, 50),
            ("number", 50.5, 50.5),
            ("number", 1, 1),
            ("number", "50.0", "50.0"),
            ("number", True, True),
            ("number", float("inf"), float("inf")),
            ("perhaps", 2e1, 20),
            ("perhaps", None, None),
            ("ratio", 50.0, 50.0),
            ("numbers", [1.0, 2, 3.5, "x"], [1, 2, 3.5, "x"]),
            ("ratios", [1.0], [1.0]),
            ("bare", [1.0], [1.0]),
            ("choice", 5.0, 5.0),
            ("unknown", 5.0, 5.0),
        ],
    )
    def test_only_whole_numbers_for_integers_are_converted(self, name, given, read):
        converted = with_whole_numbers({name: given}, {"properties": self.PROPERTIES})
        assert repr(converted) == repr({name: read})


class TestUnknownSettings:
    LOGGER = logging.getLogger("a-plugin")
    SCHEMA = SCHEMA | {"properties": {**SCHEMA["properties"], "batch_size": {}}}

    def told(self, caplog, **config):
        warn_unknown_settings(GOOD | config, self.SCHEMA, self.LOGGER)
        assert {record.levelname for record in caplog.records} <= {"WARNING"}
        return caplog.messages

    def test_known_settings_cause_no_warning(self, caplog):
        assert self.told(caplog, filter_values=["a"]) == []

    def test_a_misspelt_setting_is_logged_with_a_similar_name(self, caplog):
        assert self.told(caplog, clientsecret="hush") == [
            "Setting 'clientsecret' is unknown and has no effect; did you mean 'client_secret'?"
        ]

    @pytest.mark.parametrize("name", ["batch_config", "load_method", "validate_records"])
    def test_a_setting_unlike_any_is_logged_without_suggestion(self, caplog, name):
        told = f"Setting '{name}' is unknown and has no effect."
        assert self.told(caplog, **{name: {"secret": "hush"}}) == [told]
