"""The form of log lines in a plain pipe."""

from __future__ import annotations

import json
import logging
from datetime import datetime

import pytest

from marketo_opps.plugin.log_lines import add_plugin_name, apply_log_format


@pytest.fixture
def handler():
    """Install a handler as the only one of the root logger, for the duration of a test."""
    root, mine = logging.getLogger(), logging.StreamHandler()
    others, root.handlers = root.handlers, [mine]
    yield mine
    root.handlers = others


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
