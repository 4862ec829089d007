"""Decide where a stream is written: to opportunities, to roles, or nowhere."""

from __future__ import annotations

import typing as t

from marketo_opps import MarketoObject
from marketo_opps.keys import comparable_name
from marketo_opps.near_names import example_setting
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.field_map import FieldMap, key_advice

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping

IGNORE = "ignore"

_DESCRIPTIVE_STREAMS = frozenset(
    {
        "opportunity_fields",
        "opportunity_activities",
        "opportunity_changes",
        "opportunity_role_changes",
    }
)
"""Streams of tap-marketo-opps that describe Marketo and cannot be written to it."""

_NEVER_WRITTEN = _DESCRIPTIVE_STREAMS | {MarketoObject.OPPORTUNITY_ROLES.value}

_CHOICES = "'opportunities', 'opportunity_roles' or 'ignore'"


def destination(
    stream: str,
    properties: Collection[str],
    *,
    stream_objects: Mapping[str, str],
    field_map: Mapping[str, str],
    key_fields: Callable[[], tuple[str, ...]],
    logger: logging.Logger,
) -> MarketoObject | None:
    """Return the object that a stream is written to; None if the stream is ignored.

    Args:
        stream: name of the stream, after `stream_maps`.
        properties: names of the properties in its schema.
        stream_objects: value of the setting `stream_objects`.
        field_map: value of the setting `field_map` for this stream.
        key_fields: returns the key fields of opportunities; makes a call, so it is used last.
        logger: logs that a stream is ignored by default.

    Raises:
        UnwritableStreamError: no rule decides where the stream is written.
    """
    chosen = stream_objects.get(stream)
    if chosen is not None:
        return None if chosen == IGNORE else MarketoObject(chosen)
    if stream == MarketoObject.OPPORTUNITIES:
        return MarketoObject.OPPORTUNITIES
    if stream in _NEVER_WRITTEN:
        log_ignored(stream, logger)
        return None
    keys = key_fields()
    renamed = map(FieldMap(stream, field_map).renamed, properties)
    if {*map(comparable_name, keys)} <= {*map(comparable_name, renamed)}:
        return MarketoObject.OPPORTUNITIES
    example = example_setting({stream: MarketoObject.OPPORTUNITIES.value})
    raise UnwritableStreamError(
        f"Stream '{stream}' is not named 'opportunities' and has no property for "
        f"{' and '.join(keys)}: set it to {_CHOICES} in stream_objects, as in {example}. "
        f"{key_advice(stream, keys, properties)}",
    )


def is_ignored(stream: str, stream_objects: Mapping[str, str]) -> bool:
    """Return whether a stream is not written to Marketo, by `stream_objects` or by default.

    Args:
        stream: name of the stream, after `stream_maps`.
        stream_objects: value of the setting `stream_objects`.
    """
    return stream_objects.get(stream, IGNORE if stream in _NEVER_WRITTEN else None) == IGNORE


def log_ignored(stream: str, logger: logging.Logger) -> None:
    """Log that a stream is not written to Marketo by default; for roles, how to change that."""
    if stream == MarketoObject.OPPORTUNITY_ROLES:
        logger.warning(
            "Stream 'opportunity_roles' is ignored: in another Marketo instance, the same lead id "
            "is a different person. To write roles, set stream_objects to "
            '{"opportunity_roles": "opportunity_roles"}; with lead_lookup_field, their leads are '
            "looked up in the instance that is written to.",
        )
    else:
        logger.info(
            "Stream '%s' is ignored: it describes Marketo and cannot be written to it.", stream
        )
