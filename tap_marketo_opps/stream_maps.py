"""The maps of `stream_maps`, of selected streams alone: what is ignored is not looked at."""

from __future__ import annotations

import fnmatch
import typing as t

from singer_sdk.mapper import MAPPER_SOURCE_OPTION, PluginMapper
from singer_sdk.singerlib import Catalog

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping

    from singer_sdk.singerlib.catalog import CatalogEntry


def new_mapper(config: Mapping[str, t.Any], logger: logging.Logger) -> PluginMapper:
    """Return a mapper without streams.

    Raises:
        MappingError: A setting about it cannot be right, whatever the streams.
    """
    # The SDK takes out of them what it has understood.
    maps = dict(config.get("stream_maps") or {})
    return PluginMapper({**config, "stream_maps": maps}, logger)


def register(mapper: PluginMapper, entries: Iterable[CatalogEntry], logger: logging.Logger) -> None:
    """Compile the maps of streams, by the names that they have in messages.

    Args:
        mapper: To keep them.
        entries: Of the selected streams.
        logger: Takes a warning for each entry of `stream_maps` without effect.
    """
    selected = Catalog((entry.tap_stream_id, entry) for entry in entries)
    names = sorted(entry.stream or entry.tap_stream_id for entry in selected.streams)
    if not names:
        logger.warning("The catalog selects no stream: nothing to do.")
    for name in idle_maps(mapper.stream_maps_dict, names):
        logger.warning(
            "stream_maps: %r has no effect, because no stream of that name is selected (selected: "
            "%s).",
            name,
            ", ".join(names) or "none",
        )
    mapper.register_raw_streams_from_catalog(selected)


def idle_maps(maps: Mapping[str, t.Any], names: Iterable[str]) -> list[str]:
    """Return the entries of `stream_maps` that are for none of these streams.

    Args:
        maps: The setting.
        names: Of the streams that come.
    """
    return [
        entry
        for entry, definition in maps.items()
        if not fnmatch.filter(names, _source(entry, definition))
    ]


def _source(entry: str, definition: t.Any) -> str:
    """Return the pattern of streams that an entry of `stream_maps` is for."""
    given = definition.get(MAPPER_SOURCE_OPTION) if isinstance(definition, dict) else None
    return str(given or entry)
