"""The form of log lines in a plain pipe."""

from __future__ import annotations

import json
import logging
from datetime import datetime

import pytest

from marketo_opps import redaction
from marketo_opps.plugin.log_lines import (
    OneLineFactory,
    add_plugin_name,
    apply_log_format,
    on_one_line,
)


@pytest.fixture
def handler(request):
    """Install a handler as the only one of the root logger, for the duration of a test."""
    root, mine = logging.getLogger(), logging.StreamHandler()
    others, root.handlers = root.handlers, [mine]
    # pytest adds its own handlers, the same for all tests, when the test begins.
    plugin = request.config.pluginmanager.get_plugin("logging-plugin")
    formats = {each: each.formatter for each in (plugin.caplog_handler, plugin.report_handler)}
    yield mine
    root.handlers = others
    for each, formatter in formats.items():
        each.setFormatter(formatter)


def line(handler, name="urllib3", message="said"):
    return handler.format(logging.LogRecord(name, logging.WARNING, "", 0, message, (), None))


def test_a_line_of_any_module_names_the_plugin(handler):
    add_plugin_name("tap-x")
    assert line(handler).endswith("| WARNING  | tap-x | said")


def test_a_json_log_line_is_one_object_for_any_message(handler):
    add_plugin_name("tap-x")
    apply_log_format({"log_format": "json"})
    told = json.loads(line(handler, message='a "b"\nc \u2028'))
    assert told.pop("at")[-6:] == "+00:00"
    assert told == {"level": "WARNING", "plugin": "tap-x", "message": 'a "b"\nc \u2028'}
    assert "\n" not in line(handler, message="a\nb")
    assert "caf\u00e9" in line(handler, message="caf\u00e9")


def test_the_time_in_a_json_log_line_has_a_utc_offset(handler):
    add_plugin_name("tap-x")
    apply_log_format({"log_format": "json"})
    assert datetime.fromisoformat(json.loads(line(handler))["at"]).tzinfo is not None


@pytest.mark.parametrize("settings", [{}, {"log_format": "text"}, {"log_format": None}])
def test_log_lines_are_text_unless_json_is_set(handler, settings):
    add_plugin_name("tap-x")
    apply_log_format(settings)
    assert line(handler).endswith("| tap-x | said")


def test_configured_logging_is_left_unchanged(handler, monkeypatch):
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", "meltano.yml")
    formatter = handler.formatter
    add_plugin_name("tap-x")
    apply_log_format({"log_format": "json"})
    assert handler.formatter is formatter


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a\nERROR b\r\nc", r"a\nERROR b\r\nc"),
        ("\x00 \x08 \x0b \x1b[31m \x1f", r"\x00 \x08 \x0b \x1b[31m \x1f"),
        ("\x7f \x80 \x85 \x9f", r"\x7f \x80 \x85 \x9f"),
        ("\u2028 \u2029.", r"\u2028 \u2029."),
        ("said:\n", "said:"),
        ("a\tb ~ \xa0 caf\u00e9 \u2027 \\n", "a\tb ~ \xa0 caf\u00e9 \u2027 \\n"),
    ],
)
def test_control_characters_of_a_message_are_escaped(message, shown):
    assert on_one_line(message) == shown


class TestOneLineFactory:
    @pytest.fixture(autouse=True)
    def _installed(self):
        before = logging.getLogRecordFactory()
        logging.setLogRecordFactory(logging.LogRecord)
        redaction.install(OneLineFactory)
        yield
        logging.setLogRecordFactory(before)

    def test_arguments_of_a_message_are_escaped_and_redacted(self, caplog):
        logging.getLogger("any").warning("Marketo: %s", "x\nclient_secret=hush\x1b")
        assert caplog.messages == [r"Marketo: x\nclient_secret=[redacted]"]

    def test_the_installation_of_a_client_keeps_the_factory(self):
        factory = logging.getLogRecordFactory()
        redaction.install()
        assert logging.getLogRecordFactory() is factory

    @pytest.mark.parametrize("text", ["harmless", "client_secret=hush"])
    @pytest.mark.parametrize("settings", [{}, {"log_format": "json"}])
    def test_a_traceback_keeps_its_lines(self, handler, settings, text):
        add_plugin_name("tap-x")
        apply_log_format(settings)
        heard = []
        handler.emit = lambda record: heard.append(handler.format(record))
        try:
            {}[text]
        except KeyError:
            logging.getLogger("any").exception("a\nb")
        (line,) = heard
        message = json.loads(line)["message"] if settings else line
        shown = "client_secret=[redacted]'" if "hush" in text else "'harmless'"
        assert r"a\nb" in message
        first, second, *_, last = message.splitlines()
        assert first.endswith(r"a\nb")
        assert second == "Traceback (most recent call last):"
        assert last.startswith("KeyError: ")
        assert last.endswith(shown)
