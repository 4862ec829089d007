"""What is a configuration that can be right, and what is said about one that cannot."""

from __future__ import annotations

import logging

import pytest

from marketo_opps import ConnectionSettings, SettingsError
from marketo_opps.settings import (
    REQUIRED_SETTINGS,
    SHARED_SETTINGS,
    default_user_agent,
    instance_address,
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


class TestInstanceAddress:
    @pytest.mark.parametrize(
        "ending", ["", "/", "/rest", "/rest/", "/identity", "/identity/", "//"]
    )
    def test_every_form_that_marketo_shows_is_taken(self, ending):
        address = "https://123-ABC-456.mktorest.com"
        assert instance_address(f" {address}{ending}\n") == address

    @pytest.mark.parametrize(
        "address",
        [
            "http://127.0.0.1:8080",
            "http://127.1.2.3",
            "http://localhost:80",
            "http://[::1]:8080",
            "https://10.0.0.1",
            "https://marketo.example:8443",
        ],
    )
    def test_plain_http_is_for_loopback_and_https_for_any_host(self, address):
        assert instance_address(f"{address}/rest") == address

    @pytest.mark.parametrize(
        "endpoint",
        [
            "123-ABC-456.mktorest.com",
            "123-ABC-456",
            "https://",
            "ftp://a.example",
            "https://a.example:port",
            "https://[::1",
            "https://a b.example",
            "https://a..example",
            f"https://{'a' * 64}.example",
            "file:///etc/passwd",
        ],
    )
    def test_what_is_no_url_is_told_with_an_example(self, endpoint):
        with pytest.raises(SettingsError, match=r"'endpoint' is no URL.*mktorest\.com/rest"):
            instance_address(endpoint)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://a.example/rest/v1",
            "https://a.example/?x=1",
            "https://user:pass@a.example",
        ],
    )
    def test_more_than_an_address_is_refused_without_being_quoted(self, endpoint):
        with pytest.raises(SettingsError, match="address alone") as caught:
            instance_address(endpoint)
        assert "pass" not in str(caught.value)

    @pytest.mark.parametrize(
        "host", ["123-abc-456.mktorest.com", "10.0.0.1", "localhost.example", "[fe80::1]"]
    )
    def test_plain_http_to_another_host_is_refused(self, host):
        with pytest.raises(SettingsError, match=rf"plain http to {host.strip('[]')}.*https"):
            instance_address(f"http://{host}/rest")


class TestConnectionSettings:
    def test_defaults_are_those_that_are_documented(self):
        settings = ConnectionSettings.from_config(GOOD)
        assert settings == ConnectionSettings(
            endpoint="https://123-ABC-456.mktorest.com",
            client_id="an-id",
            client_secret="the-secret",
            calls_per_20_seconds=50,
            max_concurrent_calls=5,
            daily_call_limit=None,
            max_retry_seconds=300,
            user_agent=default_user_agent(),
        )
        for name, schema in SHARED_SETTINGS.items():
            if "default" in schema:
                assert getattr(settings, name) == schema["default"]

    def test_what_is_given_is_taken_and_other_settings_are_passed_over(self):
        given = {
            "calls_per_20_seconds": 100,
            "max_concurrent_calls": 10,
            "daily_call_limit": 40_000,
            "max_retry_seconds": 0,
            "user_agent": "mine/1 (x)",
        }
        settings = ConnectionSettings.from_config(GOOD | given | {"filter_values": ["a"]})
        for name, value in given.items():
            assert getattr(settings, name) == value

    def test_null_is_the_default(self):
        nulls = dict.fromkeys(SHARED_SETTINGS) | GOOD
        assert ConnectionSettings.from_config(nulls) == ConnectionSettings.from_config(GOOD)

    def test_blanks_around_pasted_values_do_not_count(self):
        settings = ConnectionSettings.from_config(
            {name: f" {value}\n" for name, value in GOOD.items()}
        )
        assert settings == ConnectionSettings.from_config(GOOD)

    @pytest.mark.parametrize("name", REQUIRED_SETTINGS)
    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_a_required_one_that_is_missing_or_empty_is_named(self, name, value):
        with pytest.raises(SettingsError, match=f"^Setting '{name}' is missing or empty"):
            ConnectionSettings.from_config(GOOD | {name: value})

    @pytest.mark.parametrize("agent", ["a\nb", "é", " a", "", "a\r\nX-Header: 1"])
    def test_a_user_agent_that_http_cannot_carry_is_refused(self, agent):
        with pytest.raises(SettingsError, match="'user_agent' must be printable ASCII"):
            ConnectionSettings.from_config(GOOD | {"user_agent": agent})

    def test_secrets_are_not_in_its_repr(self):
        shown = repr(ConnectionSettings.from_config(GOOD))
        assert "the-secret" not in shown
        assert "an-id" not in shown

    def test_it_knows_loopback(self):
        assert not ConnectionSettings.from_config(GOOD).is_loopback
        at_home = GOOD | {"endpoint": "http://127.0.0.1:1"}
        assert ConnectionSettings.from_config(at_home).is_loopback

    def test_the_default_user_agent_is_name_and_version(self):
        name, version = default_user_agent().split("/")
        assert name == "marketo-opps"
        assert version[0].isdigit()


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
            ("calls_per_20_seconds", 101, "101 is greater than the maximum of 100"),
            ("max_concurrent_calls", 0, "0 is less than the minimum of 1"),
            ("max_retry_seconds", "soon", "'soon' is no whole number"),
            ("endpoint", 5, "5 is no text"),
        ],
    )
    def test_a_value_that_cannot_be_right_is_named_with_the_reason(self, name, value, told):
        assert setting_errors(GOOD | {name: value}, SCHEMA) == [
            f"Setting '{name}' cannot be right: {told}."
        ]

    def test_the_place_within_a_setting_is_told(self):
        assert setting_errors(GOOD | {"filter_values": ["a", 2]}, SCHEMA) == [
            "Setting 'filter_values'[1] cannot be right: 2 is no text."
        ]

    @pytest.mark.parametrize(
        ("schema", "value", "told"),
        [
            ({"enum": ["a", "b", None]}, "x", "'x' is none of a, b"),
            ({"type": ["integer", "null"]}, "x", "'x' is no whole number"),
            ({"type": ["boolean", "null"]}, 5, "5 is neither true nor false"),
            ({"type": ["array", "null"]}, 5, "5 is no list"),
            ({"type": "object"}, 5, "5 is no object"),
            ({"type": "number"}, "x", "'x' is no number"),
            ({"type": ["string", "integer"]}, [], "[] is no text and no whole number"),
        ],
    )
    def test_what_is_wrong_is_told_without_words_of_a_schema(self, schema, value, told):
        properties = {**SCHEMA["properties"], "one": schema}
        assert setting_errors(GOOD | {"one": value}, SCHEMA | {"properties": properties}) == [
            f"Setting 'one' cannot be right: {told}."
        ]

    def test_every_wrong_setting_is_told(self):
        config = GOOD | {"calls_per_20_seconds": 0, "max_concurrent_calls": 0}
        assert len(setting_errors(config, SCHEMA)) == 2

    @pytest.mark.parametrize("name", ["client_id", "client_secret"])
    def test_a_secret_is_never_quoted(self, name):
        told = setting_errors(GOOD | {name: ["hush", 987654]}, SCHEMA)
        assert told == [f"Setting '{name}' cannot be right: it must be a non-empty string."]

    def test_what_is_wrong_with_the_whole_is_told_without_quoting_it(self):
        assert setting_errors(GOOD, SCHEMA | {"maxProperties": 1}) == [
            "The configuration cannot be right: it breaks the schema's 'maxProperties'."
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
