"""Determine the key fields of an object, and show keys in log lines."""

from __future__ import annotations

import typing as t

from marketo_opps import FieldValueError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import ObjectDescription

_LONGEST_KEY = 100


def key_fields(description: ObjectDescription, dedupe_by: str) -> tuple[str, ...]:
    """Return the fields that identify an object's records, by the setting `dedupe_by`."""
    return (description.id_field,) if dedupe_by == "idField" else description.dedupe_fields


def trimming(write: Callable[[t.Any], t.Any]) -> Callable[[t.Any], t.Any]:
    """Wrap a function that converts GUIDs: remove the blank that Marketo sometimes appends."""

    def trimmed(value: t.Any) -> t.Any:
        try:
            return write(value)
        except FieldValueError:
            return write(value.rstrip() if isinstance(value, str) else value)

    return trimmed


def display_key(parts: Iterable[t.Any]) -> str:
    """Return a record's key for a log line: on one line, shortened if it is long."""
    key = "/".join(map(_display_part, parts))
    return key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY - 3]}..."


def with_line(key: str, line_number: int) -> str:
    """Return the key of a role without a lead ID for a log line, with its input line's number."""
    return f"{key} (line {line_number:,})"


def _display_part(part: t.Any) -> str:
    if part is None or part == "":
        return "(none)"
    if isinstance(part, dict):
        return "(an object)"
    if isinstance(part, list):
        return "(a list)"
    return "".join(each if each.isprintable() else "?" for each in str(part)[: _LONGEST_KEY + 1])
