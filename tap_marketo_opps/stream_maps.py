"""The SDK's stream maps, compiled for selected streams only."""

from __future__ import annotations

import fnmatch
import typing as t

from singer_sdk.mapper import MAPPER_SOURCE_OPTION, PluginMapper
from singer_sdk.singerlib import Catalog

from marketo_opps.plugin.map_expressions import check_expressions

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping

    from singer_sdk.singerlib.catalog import CatalogEntry


def new_mapper(config: Mapping[str, t.Any], logger: logging.Logger) -> PluginMapper:
    """Return the SDK's mapper for the user's stream maps, before any stream is registered.

    Raises:
        MappingError: A setting for stream maps is invalid for any stream.
    """
    # The SDK removes entries from the dict that it is given.
    maps = dict(config.get("stream_maps") or {})
    return PluginMapper({**config, "stream_maps": maps}, logger)


def register(mapper: PluginMapper, entries: Iterable[CatalogEntry], logger: logging.Logger) -> None:
    """Compile the stream maps of the selected streams, and store them in the mapper.

    Args:
        mapper: The SDK's mapper, which stores the maps.
        entries: Catalog entries of the selected streams.
        logger: Logger for a warning about each entry of `stream_maps` without effect.

    Raises:
        SettingsError: An expression for a selected stream is empty or not valid Python.
        MappingError: A map is invalid for another reason.
    """
    selected = Catalog((entry.tap_stream_id, entry) for entry in entries)
    names = sorted(entry.stream or entry.tap_stream_id for entry in selected.streams)
    if not names:
        logger.warning("The catalog selects no stream: nothing to do.")
    maps = mapper.stream_maps_dict
    idle = idle_maps(maps, names)
    for name in idle:
        logger.warning(
            "stream_maps: %r has no effect, because no stream of that name is selected (selected: "
            "%s).",
            name,
            ", ".join(names) or "none",
        )
    check_expressions({name: each for name, each in maps.items() if name not in idle})
    mapper.register_raw_streams_from_catalog(selected)


def idle_maps(maps: Mapping[str, t.Any], names: Iterable[str]) -> list[str]:
    """Return the entries of `stream_maps` that have no effect, because no stream matches them.

    Args:
        maps: Value of the setting `stream_maps`.
        names: Names of the selected streams in messages.
    """
    return [
        entry
        for entry, definition in maps.items()
        if not fnmatch.filter(names, _source(entry, definition))
    ]


def _source(entry: str, definition: t.Any) -> str:
    """Return the stream name or pattern that an entry of `stream_maps` applies to."""
    given = definition.get(MAPPER_SOURCE_OPTION) if isinstance(definition, dict) else None
    return str(given or entry)
