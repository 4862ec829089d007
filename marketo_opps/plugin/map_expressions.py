"""Refuse expressions of the setting `stream_maps` that are not valid Python; pure."""

from __future__ import annotations

import ast
import typing as t

from singer_sdk.mapper import MAPPER_ALIAS_OPTION, MAPPER_FILTER_OPTION, NULL_STRING

from marketo_opps.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EXPRESSIONS = frozenset({MAPPER_ALIAS_OPTION, MAPPER_FILTER_OPTION})
"""Options whose values are expressions; other options begin with two underscores, too."""

# Python raises the last two for an expression that is nested too deeply.
_NOT_PYTHON = (SyntaxError, ValueError, MemoryError, RecursionError)


def check_expressions(maps: Mapping[str, t.Any]) -> None:
    """Raise an error for the first invalid expression; it names the place and does not quote it.

    The SDK's own errors name no place, or come with a stream's schema, as if that were invalid.

    Args:
        maps: those entries of `stream_maps` that apply to streams of the run.

    Raises:
        SettingsError: an expression is empty or not valid Python.
    """
    for stream, name, expression in _expressions(maps):
        if fault := _fault(expression):
            raise SettingsError(
                f"Invalid value for setting 'stream_maps'[{stream!r}][{name!r}]: {fault}."
            )


def _expressions(maps: Mapping[str, t.Any]) -> Iterator[tuple[str, str, str]]:
    for stream, definition in maps.items():
        for name, value in definition.items() if isinstance(definition, dict) else ():
            if isinstance(value, str) and value != NULL_STRING and _is_expression(name):
                # The SDK removes blanks around an alias only.
                yield stream, name, value.strip() if name == MAPPER_ALIAS_OPTION else value


def _is_expression(name: str) -> bool:
    return name in _EXPRESSIONS or not name.startswith("__")


def _fault(expression: str) -> str | None:
    try:
        is_empty = not ast.parse(expression).body
    except _NOT_PYTHON as error:
        why = f" ({error.msg})" if isinstance(error, SyntaxError) else ""
        return f"must be a Python expression{why}"
    return "must be a Python expression (it is empty)" if is_empty else None
