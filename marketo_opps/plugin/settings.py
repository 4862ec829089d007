"""The settings that tap and target share, and the validation of a plugin's settings."""

from __future__ import annotations

import difflib
import typing as t

import jsonschema

from marketo_opps.errors import SettingsError
from marketo_opps.settings import ConnectionSettings, unencodable_settings

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator, Mapping

# Accepts a typing error, but does not suggest batch_size for batch_config.
_SIMILARITY_CUTOFF = 0.75

REQUIRED_SETTINGS = ("endpoint", "client_id", "client_secret")

CONNECTION_SETTINGS: dict[str, dict[str, t.Any]] = {
    "endpoint": {
        "type": "string",
        "title": "Endpoint",
        "description": (
            "REST endpoint as Marketo's admin page shows it (Admin > Web Services), with or "
            "without a trailing /rest. Plain http only to a loopback address."
        ),
    },
    "client_id": {
        "type": "string",
        "title": "Client ID",
        "description": "Client ID of the LaunchPoint custom service",
        "secret": True,
    },
    "client_secret": {
        "type": "string",
        "title": "Client Secret",
        "description": "Client secret of the LaunchPoint custom service",
        "secret": True,
    },
    "calls_per_20_seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 50,
        "title": "Calls per 20 Seconds",
        "description": (
            "Maximum number of calls this process makes in any 20 seconds (the instance's rate "
            "limit is 100 for all clients)"
        ),
    },
    "max_concurrent_calls": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10,
        "default": 5,
        "title": "Max Concurrent Calls",
        "description": (
            "Maximum number of concurrent calls of this process (the instance's limit is 10 for "
            "all clients)"
        ),
    },
    "daily_call_limit": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Daily Call Limit",
        "description": (
            "Stop with a resumable error before the instance's total API calls today (all "
            "clients) exceed this number"
        ),
    },
    "limits_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Limits Path",
        "description": (
            "File on a local disk through which all processes on this machine that use the same "
            "instance share its rate limit: together they stay within calls_per_20_seconds and "
            "max_concurrent_calls. Created if it does not exist."
        ),
    },
    "max_retry_seconds": {
        "type": "integer",
        "minimum": 0,
        "default": 300,
        "title": "Max Retry Seconds",
        "description": (
            "Maximum time to keep retrying one call after timeouts, rate limit errors and other "
            "transient errors, in seconds"
        ),
    },
    "user_agent": {
        "type": ["string", "null"],
        "title": "User Agent",
        "description": "User-Agent header of every call; default: marketo-opps/<version>",
    },
}

_LOG_SETTINGS: dict[str, dict[str, t.Any]] = {
    "report_path": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Report Path",
        "description": (
            "JSON Lines file to which each run, failed or not, appends one line: exit code, counts "
            "by stream, calls, retries, duration in seconds, and time spent waiting"
        ),
    },
    "log_format": {
        "type": "string",
        "enum": ["text", "json"],
        "default": "text",
        "title": "Log Format",
        "description": (
            "Format of log lines: text, or json for one JSON object a line; no effect on Meltano's "
            "structured logging"
        ),
    },
}

SHARED_SETTINGS = {**CONNECTION_SETTINGS, **_LOG_SETTINGS}


def setting_errors(config: Mapping[str, t.Any], schema: Mapping[str, t.Any]) -> list[str]:
    """Return the errors in a configuration, one sentence each, which never quote a secret.

    Args:
        config: setting names to values.
        schema: the plugin's JSON schema; a property with `secret` true is not quoted.

    Returns:
        Sentences; an empty list if no error can be found without calling Marketo.
    """
    unencodable = unencodable_settings(
        {name: value for name, value in config.items() if name in schema["properties"]}
    )
    errors = _in_order(jsonschema.Draft7Validator(schema).iter_errors(config))
    sentences = dict.fromkeys(
        sentence
        for error in errors
        if not unencodable.keys() & {*list(error.absolute_path)[:1]}
        for sentence in _sentences(error, schema, config)
    )
    encodable = {name: value for name, value in config.items() if name not in unencodable}
    return [*unencodable.values(), *sentences, *_connection_errors(encodable)]


def _in_order(errors: Iterable[jsonschema.ValidationError]) -> list[jsonschema.ValidationError]:
    return sorted(errors, key=lambda error: [str(step) for step in error.absolute_path])


# Valid settings, to check another one on its own.
_VALID = {"endpoint": "https://localhost", "client_id": "-", "client_secret": "-"}


def _connection_errors(config: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the errors of connection settings that are strings, as the schema requires."""
    for name in (*REQUIRED_SETTINGS, "user_agent"):
        if isinstance(config.get(name), str):
            try:
                ConnectionSettings.from_config({**_VALID, name: config[name]})
            except SettingsError as error:
                yield str(error)


def with_whole_numbers(
    config: Mapping[str, t.Any], schema: Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """Return settings with integers instead of JSON's `50.0` or `5e1` where integers are expected.

    Args:
        config: setting names to values.
        schema: the plugin's JSON schema.
    """
    properties = schema["properties"]
    return {name: _as_whole(value, properties.get(name, {})) for name, value in config.items()}


def _as_whole(value: t.Any, schema: Mapping[str, t.Any]) -> t.Any:
    if isinstance(value, list):
        return [_as_whole(each, schema.get("items", {})) for each in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and "integer" in schema.get("type", ()) else value


def warn_unknown_settings(
    config: Mapping[str, t.Any], schema: Mapping[str, t.Any], logger: logging.Logger
) -> None:
    """Log a warning for each unknown setting, without its value.

    Args:
        config: setting names to values.
        schema: the plugin's JSON schema.
        logger: the plugin's logger.
    """
    known = list(schema["properties"])
    for name in config:
        if name not in known:
            close = difflib.get_close_matches(name, known, cutoff=_SIMILARITY_CUTOFF)
            question = f"; did you mean {close[0]!r}?" if close else "."
            logger.warning("Setting %r is unknown and has no effect%s", name, question)


def _sentences(
    error: jsonschema.ValidationError,
    schema: Mapping[str, t.Any],
    config: Mapping[str, t.Any],
) -> Iterator[str]:
    if error.validator == "required" and not error.absolute_path:
        yield from (
            f"Setting '{name}' is missing." for name in schema["required"] if name not in config
        )
        return
    if not error.absolute_path:
        # The validator's own message quotes the whole configuration, with its secrets.
        yield f"Invalid configuration: it violates '{error.validator}' of the settings schema."
        return
    # Of alternatives, the one that describes a part of the value tells more than all together.
    if inner := [each for each in error.context or () if each.path]:
        for each in _in_order(inner):
            yield from _sentences(each, schema, config)
        return
    name = str(error.absolute_path[0])
    if schema["properties"][name].get("secret"):
        yield f"Invalid value for setting '{name}': must be a non-empty string."
        return
    where = "".join(f"[{step!r}]" for step in list(error.absolute_path)[1:])
    yield f"Invalid value for setting '{name}'{where}: {_fault(error)}."


_NAMES_OF_TYPES = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_CONTAINERS = frozenset({"array", "object"})
_BOUNDS = {"minimum": "at least", "maximum": "at most"}


def _fault(error: jsonschema.ValidationError) -> str:
    """Return what is invalid in a setting, in words such as "must be an integer (got 'x')"."""
    expected: t.Any = error.validator_value
    if error.validator == "enum":
        choices = ", ".join(str(each) for each in expected if each)
        return f"must be one of {choices}{_quoted_value(error)}"
    if error.validator == "type":
        types = [expected] if isinstance(expected, str) else expected
        value = "" if _CONTAINERS.intersection(types) else _quoted_value(error)
        return f"must be {_form(error.schema)}{value}"
    if error.validator == "anyOf":
        # The value is not quoted: stream maps may hold secrets.
        return f"must be {' or '.join(filter(None, map(_form, expected)))}"
    if bound := _BOUNDS.get(str(error.validator)):
        return f"must be {bound} {expected}{_quoted_value(error)}"
    return error.message


def _form(schema: t.Any) -> str:
    """Return what a JSON schema requires, such as "a string or an integer"; empty for null."""
    if "const" in schema:
        return str(schema["const"])
    types = schema.get("type", ())
    types = [types] if isinstance(types, str) else types
    return " or ".join(_NAMES_OF_TYPES[each] for each in types if each != "null")


def _quoted_value(error: jsonschema.ValidationError) -> str:
    """Return a setting's invalid value in parentheses; empty for lists, objects and their contents.

    Lists and objects may hold data of customers.
    """
    is_inside = len(error.absolute_path) > 1 or isinstance(error.instance, list | dict)
    return "" if is_inside else f" (got {error.instance!r})"
