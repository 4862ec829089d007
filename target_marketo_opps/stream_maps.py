"""Interpret the setting `stream_maps`, where the SDK offers no function for it."""

from __future__ import annotations

import typing as t
from datetime import date
from decimal import Decimal
from fnmatch import fnmatch

from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    CustomStreamMap,
    RemoveRecordTransform,
)

from marketo_opps import Reason

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.mapper import PluginMapper, StreamMap

    from marketo_opps import Record

_INVALID_DATA = "1003"


def written_name(mapper: PluginMapper, stream: str) -> str | None:
    """Return the name of a stream after `stream_maps`; None if the stream is removed.

    A stream that is the `__source__` of other streams keeps its name, even if it is removed itself,
    because its records are needed.
    """
    if _is_copied(mapper, stream):
        return stream
    definitions = [*_primary(mapper, stream)]
    if not definitions:
        return None if mapper.default_mapper_type is RemoveRecordTransform else stream
    last = definitions[-1]
    if last in (None, NULL_STRING):
        return None
    return str(last.get(MAPPER_ALIAS_OPTION, stream)).strip("'\"")


def unmatched(mapper: PluginMapper, streams: Iterable[str]) -> list[str]:
    """Return the names in `stream_maps` that match no stream of the input."""
    came = [*streams]
    return [
        key
        for key, definition in mapper.stream_maps_dict.items()
        if not any(fnmatch(stream, _source(key, definition)) for stream in came)
    ]


def applied(mapper: PluginMapper, stream: str) -> dict[str, t.Any]:
    """Return the entries of `stream_maps` that apply to a stream of the input, or to a copy."""
    idle = unmatched(mapper, [stream])
    return {key: each for key, each in mapper.stream_maps_dict.items() if key not in idle}


def failures(
    mapper: PluginMapper, stream: str, stream_map: StreamMap, record: Record, error: Exception
) -> list[Reason]:
    """Return a reason for each expression that fails on a record.

    Args:
        mapper: has the expressions.
        stream: name of the stream in the input.
        stream_map: the stream map that failed on the record.
        record: the record as it arrived.
        error: the exception that the stream map raised.
    """
    reasons = []
    if isinstance(stream_map, CustomStreamMap):
        for name, expression in _expressions(mapper, stream, stream_map):
            if (failed := _failure(stream_map, expression, record, name)) is not None:
                what = f"stream_maps fails on '{name}' ({expression}) with {type(failed).__name__}"
                reasons.append(Reason(_INVALID_DATA, what))
    message = f"stream_maps or flattening fails with {type(error).__name__}"
    return reasons or [Reason(_INVALID_DATA, message)]


def _failure(
    stream_map: CustomStreamMap, expression: str, record: Record, name: str
) -> Exception | None:
    """Evaluate an expression of `stream_maps` on a record; return the exception that it raises.

    Args:
        stream_map: the stream map that contains the expression.
        expression: the expression.
        record: the record.
        name: the property whose value the expression can use as `self`.

    Returns:
        None if it raises no exception.
    """
    evaluator = stream_map.expr_evaluator
    evaluator.names = {**evaluator.names, "self": record.get(name)}
    try:
        evaluator.eval(expression)
    except Exception as error:  # noqa: BLE001 - the user's own expression may raise anything
        return error
    return None


def _expressions(
    mapper: PluginMapper, stream: str, stream_map: StreamMap
) -> Iterator[tuple[str, str]]:
    if stream_map is mapper.stream_maps[stream][0]:
        definitions = [*_primary(mapper, stream)][-1:]
    else:
        definitions = [mapper.stream_maps_dict.get(stream_map.stream_alias)]
    for definition in definitions:
        if isinstance(definition, dict):
            for name, expression in definition.items():
                if isinstance(expression, str) and (
                    name == MAPPER_FILTER_OPTION or not name.startswith("__")
                ):
                    yield name, expression


def _primary(mapper: PluginMapper, stream: str) -> Iterator[t.Any]:
    """Yield the definitions in `stream_maps` that apply to a stream, not to a copy of it.

    If there are several, the last one applies.
    """
    for key, definition in mapper.stream_maps_dict.items():
        is_copy = isinstance(definition, dict) and MAPPER_SOURCE_OPTION in definition
        if not is_copy and fnmatch(stream, key):
            yield definition


def _is_copied(mapper: PluginMapper, stream: str) -> bool:
    """Return whether a stream is the `__source__` of another stream in `stream_maps`."""
    return any(
        isinstance(definition, dict)
        and MAPPER_SOURCE_OPTION in definition
        and fnmatch(stream, _source(key, definition))
        for key, definition in mapper.stream_maps_dict.items()
    )


def _source(key: str, definition: t.Any) -> str:
    named = definition.get(MAPPER_SOURCE_OPTION) if isinstance(definition, dict) else None
    return key if named is None else str(named)


def plain_record(record: dict[str, t.Any]) -> Record:
    """Return a record with JSON types only; expressions of stream maps may return other types."""
    return {name: _plain_value(value) for name, value in record.items()}


def _plain_value(value: t.Any) -> t.Any:
    if isinstance(value, date):
        return value.isoformat()
    return Decimal(str(value)) if isinstance(value, float) else value
