"""How both plugins handle settings, the environment and signals before the SDK does."""

from __future__ import annotations

import logging
import os
import signal
import typing as t

import pytest
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import SettingsError
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.settings import REQUIRED_SETTINGS, SHARED_SETTINGS

GOOD = {
    "endpoint": "https://123-ABC-456.mktorest.com/rest",
    "client_id": "an-id",
    "client_secret": "the-secret",
}


class Plugin(MarketoPlugin, Tap):
    """A minimal tap."""

    name = "tap-of-tests"
    purpose = "Read nothing."
    examples = "Examples:\n  tap-of-tests --config c.json"
    config_jsonschema: t.ClassVar = {
        "type": "object",
        "properties": {**SHARED_SETTINGS, "batch_size": {"type": "integer", "default": 300}},
        "required": list(REQUIRED_SETTINGS),
    }

    def discover_streams(self):
        return []


@pytest.fixture
def dotenv(monkeypatch, tmp_path):
    """Write a `.env` into the working directory, and remove its variables afterwards."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)

    def write(text, encoding="utf-8"):
        (tmp_path / ".env").write_text(text, encoding=encoding)

    yield write
    os.environ.clear()
    os.environ.update(before)


def test_defaults_fill_what_is_missing_or_null():
    given = {**GOOD, "batch_size": None, "max_retry_seconds": 7}

    plugin = Plugin(config=given)

    assert plugin.config["batch_size"] == 300
    assert plugin.config["calls_per_20_seconds"] == 50
    assert plugin.config["max_retry_seconds"] == 7
    assert given["batch_size"] is None


def test_invalid_settings_raise_one_error_each():
    with pytest.raises(ConfigValidationError) as caught:
        Plugin(config=GOOD | {"batch_size": "x", "client_secret": ["hush"]})

    assert caught.value.errors == [
        "Invalid value for setting 'batch_size': must be an integer (got 'x').",
        "Invalid value for setting 'client_secret': must be a non-empty string.",
    ]


def test_invalid_settings_are_accepted_without_validation():
    plugin = Plugin(config={"batch_size": 5}, validate_config=False)

    assert plugin.config["batch_size"] == 5


def test_an_unknown_setting_is_logged_once_as_a_warning(caplog):
    Plugin(config=GOOD | {"batchsize": 5})

    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "did you mean 'batch_size'" in told


def test_settings_of_the_sdk_without_effect_are_not_offered():
    schema = {"properties": {}}

    Plugin.append_builtin_config(schema)

    assert {"stream_maps", "flattening_enabled"} <= set(schema["properties"])
    assert "faker_config" not in schema["properties"]


@pytest.mark.parametrize("of_stream", [{"__else__": 5}, {"__source__": None}])
def test_stream_maps_on_which_the_sdk_fails_are_refused(of_stream):
    with pytest.raises(ConfigValidationError) as caught:
        Plugin(config=GOOD | {"stream_maps": {"deals": of_stream}})

    (error,) = caught.value.errors
    assert error.startswith("Invalid value for setting 'stream_maps'['deals']: ")


@pytest.mark.usefixtures("dotenv")
def test_environment_variables_take_precedence(monkeypatch):
    monkeypatch.setenv("TAP_OF_TESTS_BATCH_SIZE", "5")

    plugin = Plugin(config=GOOD | {"batch_size": 9}, parse_env_config=True)

    assert plugin.config["batch_size"] == 5
    assert plugin.config["client_id"] == "an-id"


def test_the_environment_is_not_read_without_the_option(monkeypatch, dotenv):
    monkeypatch.setenv("TAP_OF_TESTS_BATCH_SIZE", "5")
    dotenv("TAP_OF_TESTS_BATCH_SIZE=6")

    assert Plugin(config=GOOD).config["batch_size"] == 300


def test_a_dotenv_file_takes_precedence_over_variables(monkeypatch, dotenv):
    monkeypatch.setenv("TAP_OF_TESTS_BATCH_SIZE", "5")
    dotenv("TAP_OF_TESTS_BATCH_SIZE=6")

    assert Plugin.read_environment() == {"batch_size": 6}


def test_a_dotenv_file_with_a_byte_order_mark_is_read(dotenv):
    dotenv("TAP_OF_TESTS_BATCH_SIZE=6", encoding="utf-8-sig")

    assert Plugin.read_environment() == {"batch_size": 6}


def test_a_dotenv_file_that_is_not_utf_8_is_an_error(dotenv):
    dotenv("TAP_OF_TESTS_BATCH_SIZE=6", encoding="utf-16")

    with pytest.raises(SettingsError, match=r"--config=ENV: cannot read .*/.env: it is not UTF-8"):
        Plugin.read_environment()


def test_a_dotenv_file_in_another_directory_is_ignored(dotenv, tmp_path, monkeypatch):
    dotenv("TAP_OF_TESTS_BATCH_SIZE=6")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")

    assert Plugin.read_environment() == {}


@pytest.mark.parametrize(("given", "number"), [(50.0, 50), (7, 7)])
def test_an_integer_setting_may_be_written_as_50_0_or_5e1(given, number):
    read = Plugin(config=GOOD | {"batch_size": given}).config["batch_size"]

    assert (read, type(read)) == (number, int)


def test_names_of_variables_are_logged_without_values(monkeypatch, dotenv, caplog):
    dotenv("TAP_OF_TESTS_CLIENT_SECRET=hush")

    with caplog.at_level(logging.INFO, logger="tap-of-tests"):
        Plugin.read_environment()

    assert caplog.messages == ["Settings from environment variables: client_secret."]


@pytest.mark.usefixtures("dotenv")
def test_a_variable_of_the_wrong_type_is_an_error(monkeypatch):
    monkeypatch.setenv("TAP_OF_TESTS_BATCH_SIZE", "many")

    with pytest.raises(SettingsError, match=r"TAP_OF_TESTS_BATCH_SIZE: .*integer \(got 'many'\)"):
        Plugin(config=GOOD, parse_env_config=True)


def test_signal_handlers_are_not_replaced_by_the_sdks():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    Plugin(config=GOOD)

    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_unreadable_config_file_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="--config: cannot read"):
        Plugin.cli.main(["--config", str(tmp_path / "none.json")], standalone_mode=False)


@pytest.mark.parametrize("parse_env_config", [True, False])
def test_the_sdks_line_about_a_skipped_environment_is_dropped(parse_env_config, dotenv, caplog):
    caplog.set_level(logging.INFO)
    Plugin(config=GOOD, parse_env_config=parse_env_config)
    Plugin.logger.info("Skipping parse of something else")
    assert [line for line in caplog.messages if "parse of" in line] == [
        "Skipping parse of something else"
    ]
