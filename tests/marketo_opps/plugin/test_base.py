"""How both plugins handle settings, the environment and signals before the SDK does."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import CallCounts, SettingsError
from marketo_opps.plugin import base
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.log_lines import PluginLines
from marketo_opps.plugin.run_report import RunReport
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

    def measure(self):
        return {"deals": {"read": 2}}, CallCounts(3)


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
    assert str(caught.value) == "Config validation failed"


@pytest.mark.parametrize(
    ("maps", "where", "rule"),
    [
        ({"__else__": "hush"}, "['__else__']", "__NULL__"),
        ({"deals": {"__else__": "hush"}}, "['deals']['__else__']", "__NULL__"),
        ({"deals": {"__source__": None}}, "['deals']['__source__']", "a string"),
    ],
)
def test_stream_maps_on_which_the_sdk_fails_are_refused(maps, where, rule):
    with pytest.raises(ConfigValidationError) as caught:
        Plugin(config=GOOD | {"stream_maps": maps})

    (told,) = caught.value.errors
    assert told == f"Invalid value for setting 'stream_maps'{where}: must be {rule}."


@pytest.mark.parametrize("enabled", [True, False])
def test_a_negative_depth_is_refused(enabled):
    flattening = {"flattening_enabled": enabled, "flattening_max_depth": -1}
    with pytest.raises(ConfigValidationError) as caught:
        Plugin(config=GOOD | flattening)

    (told,) = caught.value.errors
    assert told == (
        "Invalid value for setting 'flattening_max_depth': must be at least 0 (got -1)."
    )


def test_a_depth_of_zero_is_accepted():
    flattening = {"flattening_enabled": True, "flattening_max_depth": 0}
    assert Plugin(config=GOOD | flattening).config["flattening_max_depth"] == 0


def test_other_arguments_are_passed_to_the_sdk():
    assert Plugin(config=GOOD).input_catalog is None
    assert Plugin(config=GOOD, catalog={"streams": []}).input_catalog == {}


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


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")
@pytest.mark.usefixtures("dotenv")
def test_a_dotenv_file_that_cannot_be_read_is_an_error(tmp_path):
    """Read memory at an address that is never mapped, as a disk may fail."""
    (tmp_path / ".env").symlink_to("/proc/self/mem")

    with pytest.raises(SettingsError, match=r"cannot read .*/.env: Input/output error\.$"):
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
def test_it_is_logged_that_no_variable_is_set(caplog):
    with caplog.at_level(logging.INFO, logger="tap-of-tests"):
        assert Plugin.read_environment() == {}

    assert caplog.messages == ["Settings from environment variables: none."]


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


@pytest.fixture
def call(dotenv, monkeypatch, tmp_path):
    """Return a function that runs the command with a file of settings; it returns the status."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(settings, *options):
        (tmp_path / "c.json").write_text(json.dumps(GOOD | settings))
        given = [f"--config={tmp_path / 'c.json'}", *options]
        with pytest.raises(SystemExit) as caught:
            Plugin.get_singer_command().main(given)
        return caught.value.code

    yield run
    logging.captureWarnings(capture=False)


class TestLogFormat:
    @pytest.fixture
    def line(self):
        """Return a function that returns the form of a log line."""
        root, mine = logging.getLogger(), logging.StreamHandler()
        others, root.handlers = root.handlers, [mine]
        mine.setFormatter(PluginLines("tap-of-tests"))
        yield lambda: mine.format(logging.makeLogRecord({"msg": "said"}))
        root.handlers = others

    @pytest.mark.parametrize(
        ("in_file", "variable", "options", "is_json"),
        [
            ({}, None, [], False),
            ({"log_format": "json"}, None, [], True),
            ({"log_format": "json"}, None, ["--config=ENV"], True),
            ({}, "json", [], False),
            ({}, "json", ["--config=ENV"], True),
            ({"log_format": "text"}, "json", ["--config=ENV"], True),
            ({"log_format": "json"}, "text", ["--config=ENV"], False),
            ({"log_format": "json"}, "", ["--config=ENV"], True),
        ],
    )
    def test_it_is_taken_from_files_and_variables(
        self, call, monkeypatch, line, *, in_file, variable, options, is_json
    ):
        if variable is not None:
            monkeypatch.setenv("TAP_OF_TESTS_LOG_FORMAT", variable)
        assert call(in_file, "--about", *options) == 0
        assert line().startswith("{") == is_json


class TestReport:
    @pytest.fixture
    def report(self, monkeypatch, tmp_path):
        """Replace the report of this process; return a function that ends the run."""
        report = RunReport()
        monkeypatch.setattr(base, "RUN_REPORT", report)

        def end(exit_code=0, name="runs.jsonl"):
            report.write(exit_code)
            path = tmp_path / name
            return json.loads(path.read_text() or "null") if path.exists() else None

        return end

    def test_a_run_is_reported_with_its_counts(self, call, report, tmp_path):
        assert call({"report_path": str(tmp_path / "runs.jsonl")}) == 0
        told = report()
        assert (told["plugin"], told["version"]) == ("tap-of-tests", Plugin.plugin_version)
        assert (told["exit"], told["streams"], told["calls"]) == (0, {"deals": {"read": 2}}, 3)

    @pytest.mark.parametrize(
        ("variable", "options", "name"),
        [
            ("others.jsonl", ["--config=ENV"], "others.jsonl"),
            ("others.jsonl", [], "runs.jsonl"),
            ("", ["--config=ENV"], "runs.jsonl"),
        ],
    )
    def test_its_variable_takes_precedence_if_variables_are_read(
        self, call, report, tmp_path, dotenv, *, variable, options, name
    ):
        dotenv(f"TAP_OF_TESTS_REPORT_PATH={variable and tmp_path / variable}")
        # An empty variable is an invalid setting.
        assert call({"report_path": str(tmp_path / "runs.jsonl")}, *options) == (not variable)
        assert report(name=name)["exit"] == 0
        assert len(list(tmp_path.glob("*.jsonl"))) == 1

    def test_a_description_is_not_reported(self, call, report, tmp_path):
        assert call({"report_path": str(tmp_path / "runs.jsonl")}, "--about") == 0
        assert report() is None

    @pytest.mark.parametrize("path", ["", 5, ["a"]])
    def test_a_path_that_is_none_is_an_invalid_setting(self, call, report, path, caplog):
        assert call({"report_path": path}) == 1
        assert "Invalid value for setting 'report_path': " in caplog.text

    @pytest.mark.parametrize("variables", [False, True])
    def test_nothing_is_written_to_a_file_of_two_settings(
        self, call, report, tmp_path, dotenv, caplog, *, variables
    ):
        path = tmp_path / "runs.jsonl"
        path.write_text('"as it was"')
        dotenv(f"TAP_OF_TESTS_LIMITS_PATH={path}")
        given = {"report_path": str(path)} | ({} if variables else {"limits_path": str(path)})
        assert call(given, *(["--config=ENV"] if variables else [])) == 1
        assert "report_path and limits_path name the same file (" in caplog.text
        assert report(1) == "as it was"

    @pytest.mark.parametrize("name", ["report_path", "limits_path"])
    def test_a_file_of_config_is_not_written_to(self, call, report, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "own.json"
        path.write_text(json.dumps({name: "own.json"}))
        with pytest.raises(SettingsError) as caught:
            call({}, f"--config={path}")
        assert str(caught.value) == (
            f"--config and {name} name the same file ({path}): give each of them a file of its own."
        )
        assert report(1) is None
        assert json.loads(path.read_text()) == {name: "own.json"}

    def test_only_a_failure_may_be_asked_for(self, report, tmp_path):
        given = SimpleNamespace(
            config={"report_path": str(tmp_path / "runs.jsonl")}, parse_env=False
        )
        Plugin.begin_report(given, is_only_failure=True)
        assert report(0) is None
        assert report(1)["exit"] == 1


MAIN = """
import sys
from singer_sdk import Tap
from marketo_opps import CallCounts
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.settings import REQUIRED_SETTINGS, SHARED_SETTINGS

class Plugin(MarketoPlugin, Tap):
    name, purpose, examples = "tap-of-tests", "Read nothing.", "None"
    config_jsonschema = {"properties": {**SHARED_SETTINGS}, "required": [*REQUIRED_SETTINGS]}

    def discover_streams(self):
        return []

    def measure(self):
        return {}, CallCounts()

Plugin.run_console_script()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "level", "told", "reports"),
    [
        ({}, "INFO", "| ERROR    | tap-of-tests | Config validation failed", [1]),
        ({}, "loud", "Invalid value for environment variable LOGLEVEL: must be one of", []),
        (GOOD | {"stream_maps": {"__a__": {}}}, "INFO", "Option '__a__:{}' is not expected.", [1]),
    ],
)
def test_a_failed_run_ends_with_its_sentence_and_report(config, level, told, reports, tmp_path):
    path = tmp_path / "runs.jsonl"
    (tmp_path / "c.json").write_text(json.dumps(config | {"report_path": str(path)}))
    done = subprocess.run(
        [sys.executable, "-c", MAIN, f"--config={tmp_path / 'c.json'}"],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LOGLEVEL": level},
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    lines = path.read_text().splitlines() if path.exists() else []
    assert [json.loads(line)["exit"] for line in lines] == reports
