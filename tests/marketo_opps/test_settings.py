"""Connection settings: valid ones, invalid ones, and the error messages."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from marketo_opps import ConnectionSettings, SettingsError
from marketo_opps.settings import (
    default_user_agent,
    instance_address,
)

GOOD = {
    "endpoint": "https://123-ABC-456.mktorest.com/rest",
    "client_id": "an-id",
    "client_secret": "the-secret",
}


class TestInstanceAddress:
    @pytest.mark.parametrize(
        "ending", ["", "/", "/rest", "/rest/", "/identity", "/identity/", "//"]
    )
    def test_every_form_of_an_endpoint_that_marketo_shows_is_valid(self, ending):
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
    def test_http_is_for_loopback_and_https_for_any_host(self, address):
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
    def test_an_endpoint_that_is_not_a_url_is_an_error(self, endpoint):
        with pytest.raises(SettingsError, match=r"'endpoint': not a URL.*mktorest\.com/rest"):
            instance_address(endpoint)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://123-ABC-456.mktoapi.com/soap/mktows/2_9",
            "https://123-ABC-456.mktoapi.com",
            "https://a.example/soap/mktows/3_1",
        ],
    )
    def test_the_soap_endpoint_is_an_error(self, endpoint):
        with pytest.raises(SettingsError, match="this is the SOAP endpoint"):
            instance_address(endpoint)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://a.example/rest/v1",
            "https://a.example/?x=1",
            "https://user:pass@a.example",
        ],
    )
    def test_a_longer_url_is_an_error_and_not_quoted(self, endpoint):
        with pytest.raises(SettingsError, match="address only") as caught:
            instance_address(endpoint)
        assert "pass" not in str(caught.value)

    @pytest.mark.parametrize(
        "host", ["123-abc-456.mktorest.com", "10.0.0.1", "localhost.example", "[fe80::1]"]
    )
    def test_plain_http_to_another_host_is_an_error(self, host):
        with pytest.raises(SettingsError, match=rf"plain http to {host.strip('[]')}.*https"):
            instance_address(f"http://{host}/rest")


class TestConnectionSettings:
    def test_defaults_are_the_documented_ones(self):
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

    @pytest.mark.parametrize(
        ("endpoint", "host", "is_loopback"),
        [
            ("https://123-ABC-456.mktorest.com/rest", "123-abc-456.mktorest.com", False),
            ("http://LOCALHOST:8080", "localhost:8080", True),
        ],
    )
    def test_host_is_in_lower_case_with_its_port(self, endpoint, host, is_loopback):
        settings = ConnectionSettings.from_config(GOOD | {"endpoint": endpoint})
        assert (settings.host, settings.is_loopback) == (host, is_loopback)

    def test_other_settings_of_a_configuration_are_ignored(self):
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

    def test_null_means_the_default(self):
        nulls = dict.fromkeys(field.name for field in fields(ConnectionSettings)) | GOOD
        assert ConnectionSettings.from_config(nulls) == ConnectionSettings.from_config(GOOD)

    def test_blanks_around_values_are_removed(self):
        settings = ConnectionSettings.from_config(
            {name: f" {value}\n" for name, value in GOOD.items()}
        )
        assert settings == ConnectionSettings.from_config(GOOD)

    @pytest.mark.parametrize("name", GOOD)
    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_a_missing_or_empty_required_setting_is_named(self, name, value):
        with pytest.raises(SettingsError, match=f"^Setting '{name}' is missing or empty"):
            ConnectionSettings.from_config(GOOD | {name: value})

    @pytest.mark.parametrize("agent", ["a\nb", "é", " a", "", "a\r\nX-Header: 1"])
    def test_a_user_agent_invalid_in_http_is_an_error(self, agent):
        with pytest.raises(SettingsError, match="'user_agent': must be printable ASCII"):
            ConnectionSettings.from_config(GOOD | {"user_agent": agent})

    @pytest.mark.parametrize("name", ["client_id", "client_secret", "limits_path", "user_agent"])
    def test_half_a_surrogate_pair_is_an_error_and_not_quoted(self, name):
        with pytest.raises(SettingsError) as caught:
            ConnectionSettings.from_config(GOOD | {name: "p\udce4ss"})
        assert str(caught.value) == (
            f"Invalid value for setting '{name}': must be text in UTF-8, without half a surrogate "
            "pair."
        )

    def test_a_whole_surrogate_pair_is_accepted(self):
        given = GOOD | {"client_secret": json.loads(r'"\ud83d\ude00"')}
        assert ConnectionSettings.from_config(given).client_secret == "\U0001f600"

    def test_secrets_are_not_in_the_repr(self):
        shown = repr(ConnectionSettings.from_config(GOOD))
        assert "the-secret" not in shown
        assert "an-id" not in shown

    def test_loopback_addresses_are_recognized(self):
        assert not ConnectionSettings.from_config(GOOD).is_loopback
        at_home = GOOD | {"endpoint": "http://127.0.0.1:1"}
        assert ConnectionSettings.from_config(at_home).is_loopback

    def test_the_default_user_agent_is_name_and_version(self):
        name, version = default_user_agent().split("/")
        assert name == "marketo-opps"
        assert version[0].isdigit()
