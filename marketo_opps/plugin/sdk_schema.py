"""Corrections of the SDK's JSON schemas of settings; pure."""

from __future__ import annotations

import typing as t

_NAMES = frozenset({"__alias__", "__source__"})
_NO_SCHEMA = "null"


def corrected_maps(schema: t.Any) -> t.Any:
    """Return a copy of the SDK's schema of `stream_maps`, or of a part of it, without mistakes.

    The SDK lists the word "null" among the alternatives of `__else__`, which must be schemas, so
    that any other value ends in a traceback. And it allows null as the name of a stream, on which
    it fails later.
    """
    if isinstance(schema, list):
        return [corrected_maps(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: corrected_maps(value) for name, value in schema.items()}
    if "anyOf" in copy:
        copy["anyOf"] = [each for each in copy["anyOf"] if each != _NO_SCHEMA]
    for name in _NAMES & copy.keys():
        copy[name]["type"] = "string"
    return copy


def with_least_depth(schema: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the SDK's schema of `flattening_max_depth`, restricted to depths from 0.

    The SDK takes -1 for a missing value, and reports that the setting is required.
    """
    return {**schema, "minimum": 0}
