"""Reading settings from files and the environment, and the errors if they cannot be read."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from marketo_opps import SettingsError
from marketo_opps.plugin.command_line import (
    environment_settings,
    read_config_files,
    read_text,
    run_command,
)

PROPERTIES = {
    "text": {"type": "string"},
    "number": {"type": ["integer", "null"]},
    "switch": {"type": "boolean"},
    "values": {"type": ["array", "null"], "items": {"type": "string"}},
    "maps": {"type": "object"},
}


def read(**variables):
    environment = {f"TAP_{name.upper()}": text for name, text in variables.items()}
    return environment_settings(PROPERTIES, "TAP_", environment)


def test_a_variable_is_read_as_its_settings_type():
    given = read(text="7", number="7", switch="Yes", values='["a", "b"]', maps='{"a": 1}')

    assert given == {
        "text": "7",
        "number": 7,
        "switch": True,
        "values": ["a", "b"],
        "maps": {"a": 1},
    }


@pytest.mark.parametrize("text", ["1000", " 1000 ", "+1000", "1000.0", "1e3"])
def test_an_integer_may_be_written_in_any_notation(text):
    assert read(number=text) == {"number": 1000}


def test_a_setting_without_a_variable_is_absent():
    assert read(switch="off") == {"switch": False}
    assert read(of_others="x") == {}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("4711", ["4711"]),
        (' ["a,b"] ', ["a,b"]),
        ("Xenia,MaX", ["Xenia", "MaX"]),
    ],
)
def test_a_list_is_read_from_json_or_comma_separated_values(text, values):
    assert read(values=text) == {"values": values}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ({"number": "many"}, "TAP_NUMBER: must be of type integer (got 'many')."),
        ({"number": ""}, "TAP_NUMBER: must be of type integer (got '')."),
        ({"number": "1_000"}, "TAP_NUMBER: must be of type integer (got '1_000')."),
        ({"number": "٣"}, "TAP_NUMBER: must be of type integer (got '٣')."),
        ({"number": "1.5"}, "TAP_NUMBER: must be of type integer (got '1.5')."),
        ({"number": "null"}, "TAP_NUMBER: the text 'null' does not mean 'no value'; unset"),
        ({"text": " NULL"}, "TAP_TEXT: the text ' NULL' does not mean 'no value'; unset"),
        ({"values": "null"}, "TAP_VALUES: the text 'null' does not mean 'no value'; unset"),
        ({"switch": "perhaps"}, "TAP_SWITCH: must be of type boolean (got 'perhaps')."),
        (
            {"values": '["a"'},
            "TAP_VALUES: must be of type array (not valid JSON: Expecting ',' delim",
        ),
        ({"values": '"a"]'}, "TAP_VALUES: must be of type array (not valid JSON"),
        ({"values": "[1"}, "TAP_VALUES: must be of type array (not valid JSON"),
        ({"values": "ab]"}, "TAP_VALUES: must be of type array (not valid JSON"),
        ({"values": '["a" 5]'}, "(not valid JSON: Expecting ',' delimiter at character 6)."),
        ({"values": "{"}, "TAP_VALUES: must be of type array (not valid JSON"),
        ({"maps": '{"a":' * 100_000}, "TAP_MAPS: must be of type object (nested too deeply)."),
        ({"maps": "deals"}, "TAP_MAPS: must be of type object (not valid JSON"),
    ],
)
def test_a_variable_of_the_wrong_type_is_named_with_its_value(variable, told):
    with pytest.raises(SettingsError) as caught:
        read(**variable)

    assert told in str(caught.value)


def test_invalid_json_is_not_quoted():
    with pytest.raises(SettingsError) as caught:
        read(maps='{"hash_seed": "hush"')

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b'{"a": "\xe9"}', "it is not UTF-8"),
        ("{}".encode("utf-16"), "it is UTF-16; save it as UTF-8."),
        ("{}".encode("utf-16-le"), "it is UTF-16; save it as UTF-8."),
        (b'{"a":\n ?}', "is not valid JSON: Expecting value in line 2, column 2; correct it."),
        (b"[]", "is not a JSON object: correct it."),
        (b"", "is empty: write the settings into it."),
        (b" \n", "is empty: write the settings into it."),
        (b'{"a": 1}\n{"a": 2}\n', "contains several JSON values: keep only the last line."),
        (b"{}\0", "contains several JSON values: keep only the last line."),
        (b'{"a": [' + b"[" * 100 + b"5" + b"]" * 101 + b"}", "nesting that is too large"),
        (b"[" * 100_000, "nesting that is too large: correct it."),
        (b'{"a":' * 101 + b"5" + b"}" * 101, "nesting that is too large: correct it."),
        (b'{"a": ' + b"1" * 5000 + b"}", "nesting that is too large: correct it."),
    ],
)
def test_a_file_that_is_not_a_configuration_is_an_error(content, told, tmp_path):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        read_config_files([str(path)])

    assert str(caught.value).startswith("--config: ")
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_a_path_that_is_none_is_an_error():
    with pytest.raises(SettingsError) as caught:
        read_config_files(["a\0b"])
    assert str(caught.value) == "--config: cannot read a\0b: it is not a valid path."


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")
def test_an_open_file_that_cannot_be_read_is_an_error():
    """Read memory at an address that is never mapped, as a disk may fail."""
    path = "/proc/self/mem"
    with Path(path).open(encoding="utf-8") as file, pytest.raises(SettingsError) as caught:
        read_text("--state", path, file)
    assert str(caught.value) == f"--state: cannot read {path}: Input/output error."


def test_settings_may_be_nested_in_a_hundred_levels(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"a":' * 50 + "[" * 50 + "5" + "]" * 50 + "}" * 50)
    assert read_config_files([str(path)])


def test_later_config_files_override_earlier_ones(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1, "b": 1}', encoding="utf-8-sig")
    (tmp_path / "b.json").write_text('{"b": 2}')

    settings = read_config_files([str(tmp_path / "a.json"), str(tmp_path / "b.json")])

    assert settings == {"a": 1, "b": 2}


def test_a_config_file_may_be_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('{"a": 1}',))
    writer.start()

    assert read_config_files([str(pipe)]) == {"a": 1}
    writer.join()


class Plugin:
    """A plugin that sets up logging like the SDK, or fails to, and counts its runs."""

    name = "tap-of-tests"

    def __init__(self, error=None):
        self.error = error
        self.runs = 0

    @property
    def cli(self):
        if self.error:
            raise self.error
        return self.run

    def run(self):
        self.runs += 1


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"LOGLEVEL": "verbose"},
            "variable LOGLEVEL: must be one of DEBUG, INFO, .* \\(got 'verbose'\\)",
        ),
        (
            {"TAP_OF_TESTS_LOGLEVEL": "foo", "LOGLEVEL": "INFO"},
            "TAP_OF_TESTS_LOGLEVEL: .* \\(got 'foo'\\)",
        ),
    ],
)
def test_an_invalid_log_level_is_an_error_before_the_run(environment, told):
    plugin = Plugin()
    with pytest.raises(SettingsError, match=told):
        run_command(plugin, environment)
    assert plugin.runs == 0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LOGLEVEL": "debug"},
        {"LOGLEVEL": ""},
        {"TAP_OF_TESTS_LOGLEVEL": "WARN", "LOGLEVEL": "x"},
    ],
)
def test_a_valid_log_level_is_accepted(environment):
    plugin = Plugin()
    run_command(plugin, environment)
    assert plugin.runs == 1


def test_log_lines_of_a_run_have_the_plugins_name():
    root = logging.getLogger()
    others, root.handlers = root.handlers, [logging.StreamHandler()]
    try:
        run_command(Plugin(), {})
        line = root.handlers[0].format(logging.makeLogRecord({"msg": "said"}))
    finally:
        root.handlers = others
    assert line.endswith("| tap-of-tests | said")


def test_an_invalid_logging_configuration_is_an_error():
    with pytest.raises(SettingsError, match=r"SINGER_SDK_LOG_CONFIG names x.yaml, .*\(KeyError\)"):
        run_command(Plugin(KeyError("hush")), {"SINGER_SDK_LOG_CONFIG": "x.yaml"})


def test_other_errors_are_not_caught():
    with pytest.raises(KeyError):
        run_command(Plugin(KeyError()), {})
