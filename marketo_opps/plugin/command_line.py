"""Reads the files and environment variables that the command line names."""

from __future__ import annotations

import codecs
import json
import logging
import typing as t
from pathlib import Path

from marketo_opps.errors import SettingsError
from marketo_opps.field_types import whole_number
from marketo_opps.plugin.log_lines import LOG_CONFIG, add_plugin_name

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from singer_sdk.plugin_base import PluginBase

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off"), False
)


def environment_prefix(plugin: str) -> str:
    """Return the prefix of a plugin's environment variables, such as `TAP_MARKETO_OPPS_`."""
    return f"{plugin.upper().replace('-', '_')}_"


def run_command(plugin: type[PluginBase], environment: Mapping[str, str]) -> None:
    """Run a plugin's command line after checking the environment variables about logging.

    Args:
        plugin: the plugin's class; it sets up logging when its `cli` is read.
        environment: variables to values.

    Raises:
        SettingsError: a variable about logging is invalid.
    """
    _check_log_level(environment_prefix(plugin.name), environment)
    try:
        command = plugin.cli
    except Exception as error:
        # Only logging is set up here, but the user's file may raise any exception.
        if LOG_CONFIG not in environment:
            raise
        raise SettingsError(
            f"The environment variable {LOG_CONFIG} names {environment[LOG_CONFIG]}, which is not "
            f"a valid configuration of Python's logging ({type(error).__name__}): correct that "
            "file, or unset the variable."
        ) from None
    add_plugin_name(plugin.name)
    command()


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _check_log_level(prefix: str, environment: Mapping[str, str]) -> None:
    for variable in (f"{prefix}LOGLEVEL", "LOGLEVEL"):
        if level := environment.get(variable):
            if level.upper() not in logging.getLevelNamesMapping():
                raise SettingsError(
                    f"Invalid value for environment variable {variable}: must be one of "
                    f"{', '.join(_LEVELS)} (got {level!r})."
                )
            return


def read_config_files(paths: Iterable[str]) -> dict[str, t.Any]:
    """Return the settings in the files of `--config`; later files override earlier ones.

    Each file is read once, so it may be a pipe.

    Raises:
        SettingsError: a file cannot be read, or is not a JSON object.
    """
    settings: dict[str, t.Any] = {}
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8") as file:
                text = read_text("--config", path, file)
        except OSError as error:
            raise _unreadable("--config", path, error.strerror) from None
        except ValueError:
            # The path contains a NUL.
            raise _unreadable("--config", path, "it is not a valid path") from None
        settings |= read_json_object("--config", path, text)
    return settings


def read_text(option: str, path: str, file: t.IO[str]) -> str:
    """Return the text of a file that the command line names, without a byte order mark.

    Args:
        option: the option that names the file.
        path: its path, as given.
        file: the open file, in UTF-8.

    Raises:
        SettingsError: the file cannot be read, or is not UTF-8.
    """
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        is_utf16 = error.object[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
        raise _unreadable(option, path, _UTF16 if is_utf16 else "it is not UTF-8") from None
    except OSError as error:
        raise _unreadable(option, path, error.strerror) from None
    if "\0" in text[:2]:
        raise _unreadable(option, path, _UTF16)
    return text.removeprefix("\ufeff")


_UTF16 = "it is UTF-16; save it as UTF-8"


def _unreadable(option: str, path: str, reason: str | None) -> SettingsError:
    return SettingsError(f"{option}: cannot read {path}: {reason}.")


# Python's message if one JSON value follows another.
_SEVERAL = "Extra data"

# The SDK copies these values recursively, and would fail with a traceback on deeper ones.
_DEEPEST_NESTING = 100

_WHAT_TO_DO_IF_EMPTY = {
    "--config": "write the settings into it",
    "--state": "restore the previous state, or omit the option in a first run",
    "--catalog": "create it again with --discover",
}
_WHAT_TO_DO_IF_DAMAGED = {
    "--config": "correct it",
    "--state": "restore the previous state",
    "--catalog": "create it again with --discover",
}


def read_json_object(option: str, path: str, text: str) -> dict[str, t.Any]:
    """Return the JSON object in a file that the command line names.

    Args:
        option: the option that names the file.
        path: its path, as given.
        text: its content.

    Raises:
        SettingsError: it is not a JSON object.
    """
    if not text.strip():
        raise SettingsError(f"{option}: {path} is empty: {_WHAT_TO_DO_IF_EMPTY[option]}.")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == _SEVERAL:
            raise SettingsError(
                f"{option}: {path} contains several JSON values: keep only the last line."
            ) from None
        raise SettingsError(
            f"{option}: {path} is not valid JSON: {error.msg} in line {error.lineno}, column "
            f"{error.colno}; {_WHAT_TO_DO_IF_DAMAGED[option]}."
        ) from None
    except (ValueError, RecursionError):
        raise _too_large(option, path) from None
    if not isinstance(value, dict):
        todo = _WHAT_TO_DO_IF_DAMAGED[option]
        raise SettingsError(f"{option}: {path} is not a JSON object: {todo}.")
    if _is_nested_deeper(value, _DEEPEST_NESTING):
        raise _too_large(option, path)
    return value


def _too_large(option: str, path: str) -> SettingsError:
    todo = _WHAT_TO_DO_IF_DAMAGED[option]
    return SettingsError(
        f"{option}: {path} contains a number or nesting that is too large: {todo}."
    )


def _is_nested_deeper(value: t.Any, levels: int) -> bool:
    """Return whether objects and lists in a JSON value are nested in more than this many levels."""
    level = [value]
    for _ in range(levels + 1):
        containers = (each for each in level if isinstance(each, dict | list))
        level = [each for held in containers for each in _members(held)]
    return bool(level)


def _members(container: dict[str, t.Any] | list[t.Any]) -> Iterable[t.Any]:
    return container.values() if isinstance(container, dict) else container


def environment_settings(
    properties: Mapping[str, Mapping[str, t.Any]],
    prefix: str,
    environment: Mapping[str, str],
) -> dict[str, t.Any]:
    """Return the settings given by environment variables, each converted to its type.

    Args:
        properties: properties of the configuration's JSON schema.
        prefix: prefix of the variables' names.
        environment: variables to values.

    Raises:
        SettingsError: a value cannot be converted to its setting's type.
    """
    variables = {name: prefix + name.upper() for name in properties}
    return {
        name: _read(variables[name], environment[variables[name]], schema)
        for name, schema in properties.items()
        if variables[name] in environment
    }


def _read(variable: str, text: str, schema: Mapping[str, t.Any]) -> t.Any:
    kinds = schema.get("type")
    kind = next(
        (each for each in _READERS if each == kinds or (isinstance(kinds, list) and each in kinds)),
        None,
    )
    if text.strip().lower() == "null":
        raise SettingsError(
            f"Invalid value for environment variable {variable}: the text {text!r} does not mean "
            "'no value'; unset the variable instead."
        )
    if kind is None:
        return text
    try:
        return _READERS[kind](text)
    except json.JSONDecodeError as error:
        # The value is not quoted: stream maps may hold secrets.
        reason = f"not valid JSON: {error.msg} at character {error.pos + 1}"
    except RecursionError:
        reason = "nested too deeply"
    except (ValueError, KeyError):
        reason = f"got {text!r}"
    raise SettingsError(
        f"Invalid value for environment variable {variable}: must be of type {kind} ({reason})."
    )


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.strip().lower()]


def _array(text: str) -> t.Any:
    """Return the list in an environment variable's text: a JSON array or comma-separated values."""
    bare = text.strip()
    return json.loads(bare) if bare[:1] in {*'[{"'} or bare[-1:] in {*']}"'} else text.split(",")


_READERS: dict[str, Callable[[str], t.Any]] = {
    "integer": whole_number,
    "boolean": _boolean,
    "array": _array,
    "object": json.loads,
}
