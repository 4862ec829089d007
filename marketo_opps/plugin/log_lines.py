"""Formats a plugin's log lines on standard error, and keeps each message on one line.

In a pipe of tap and target the lines of both are mixed, so each line has the name of its plugin,
whichever module wrote it. If `SINGER_SDK_LOG_CONFIG` configures logging, as Meltano's structured
logging does, its formats apply instead.
"""

from __future__ import annotations

import json
import logging
import os
import re
import typing as t
from datetime import UTC, datetime

from marketo_opps import redaction

if t.TYPE_CHECKING:
    from collections.abc import Mapping

LOG_CONFIG = "SINGER_SDK_LOG_CONFIG"
LOG_FORMAT = "log_format"
JSON_FORMAT = "json"


# C0 without the tab, DEL, C1, and Unicode's line and paragraph separators.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def on_one_line(message: str) -> str:
    r"""Return a message with escapes such as `\x1b` for control characters, line breaks included.

    Marketo's texts, names and paths are part of messages: they must neither look like log lines of
    their own nor control a terminal. Line breaks at the end are removed.
    """
    return _CONTROL.sub(_escape, message.rstrip("\n"))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class OneLineFactory(redaction.RedactingFactory):
    """Factory of log records without secrets whose messages are on one line.

    It applies to every formatter, and to messages that are logged before there is one. A traceback
    that follows a message keeps its lines.
    """

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> logging.LogRecord:
        """Return a log record whose message contains no secret and no control character."""
        record = super().__call__(*args, **kwargs)
        message = record.getMessage()
        line = on_one_line(message)
        if line != message:
            record.msg, record.args = line, ()
        return record


class PluginLines(logging.Formatter):
    """Formats log lines as text: time, level, plugin, and message.

    Args:
        plugin: name of the plugin.
    """

    def __init__(self, plugin: str) -> None:
        super().__init__(f"{{asctime:23s}} | {{levelname:8s}} | {plugin} | {{message}}", style="{")
        self.plugin = plugin


class JsonLines(logging.Formatter):
    """Formats each log line as a JSON object: `at` (ISO 8601, UTC), `level`, `plugin`, `message`.

    Args:
        plugin: name of the plugin.
    """

    def __init__(self, plugin: str) -> None:
        super().__init__()
        self.plugin = plugin

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line; a traceback is part of the message."""
        at = datetime.fromtimestamp(record.created, UTC)
        return json.dumps(
            {
                "at": at.isoformat(timespec="milliseconds"),
                "level": record.levelname,
                "plugin": self.plugin,
                "message": super().format(record),
            },
            ensure_ascii=False,
        )


def add_plugin_name(plugin: str) -> None:
    """Format log lines with the plugin's name, unless `SINGER_SDK_LOG_CONFIG` formats them."""
    if LOG_CONFIG not in os.environ:
        _format_with(PluginLines(plugin))


def apply_log_format(settings: Mapping[str, t.Any]) -> None:
    """Switch to JSON log lines if `log_format` is `json`, unless the user configures logging."""
    if settings.get(LOG_FORMAT) != JSON_FORMAT:
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, PluginLines):
            handler.setFormatter(JsonLines(handler.formatter.plugin))


def _format_with(formatter: logging.Formatter) -> None:
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
