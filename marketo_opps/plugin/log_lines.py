"""Formats a plugin's log lines on standard error.

In a pipe of tap and target the lines of both are mixed, so each line has the name of its plugin,
whichever module wrote it. If `SINGER_SDK_LOG_CONFIG` configures logging, as Meltano's structured
logging does, none of this applies.
"""

from __future__ import annotations

import json
import logging
import os
import typing as t
from datetime import UTC, datetime

if t.TYPE_CHECKING:
    from collections.abc import Mapping

LOG_CONFIG = "SINGER_SDK_LOG_CONFIG"
LOG_FORMAT = "log_format"
JSON_FORMAT = "json"


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
