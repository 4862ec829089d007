"""Where a stream goes: to opportunities, to roles, or nowhere."""

from __future__ import annotations

import typing as t

from marketo_opps import MarketoObject
from target_marketo_opps.errors import StreamError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Mapping

IGNORE = "ignore"

_DESCRIPTIVE_STREAMS = frozenset({"opportunity_fields", "opportunity_activities"})
"""Streams of the tap that tell about Marketo and cannot be written to it."""

_CHOICES = "'opportunities', 'opportunity_roles' or 'ignore'"


def loose(name: str) -> str:
    """A name in the form in which properties and fields are matched."""
    return name.replace("_", "").casefold()


def destination(
    stream: str,
    properties: Iterable[str],
    *,
    stream_objects: Mapping[str, str],
    key_fields: Callable[[], tuple[str, ...]],
    logger: logging.Logger,
) -> MarketoObject | None:
    """The object that a stream is written to, or None when it is ignored.

    Args:
        stream: its name, as after `stream_maps`.
        properties: the names of its schema's properties.
        stream_objects: the setting.
        key_fields: tells the key fields of opportunities; costs a call, so it is asked last.
        logger: told of streams that are ignored without a word in the settings.

    Raises:
        StreamError: it is not known where the stream goes.
    """
    chosen = stream_objects.get(stream)
    if chosen is not None:
        return None if chosen == IGNORE else MarketoObject(chosen)
    if stream == MarketoObject.OPPORTUNITIES:
        return MarketoObject.OPPORTUNITIES
    if stream in _DESCRIPTIVE_STREAMS or stream == MarketoObject.OPPORTUNITY_ROLES:
        _say_ignored(stream, logger)
        return None
    if {loose(name) for name in key_fields()} <= {loose(name) for name in properties}:
        return MarketoObject.OPPORTUNITIES
    raise StreamError(
        f"Stream '{stream}' is not 'opportunities' and has no property for "
        f"{' and '.join(key_fields())}: say in stream_objects whether it is {_CHOICES}.",
    )


def _say_ignored(stream: str, logger: logging.Logger) -> None:
    if stream == MarketoObject.OPPORTUNITY_ROLES:
        logger.warning(
            "Stream 'opportunity_roles' is ignored: a lead id belongs to one Marketo instance, and "
            "written into another it would tie opportunities to strangers. To write roles, set "
            'stream_objects to {"opportunity_roles": "opportunity_roles"}.',
        )
    else:
        logger.info(
            "Stream '%s' is ignored: it describes Marketo, and is not written to it.", stream
        )
