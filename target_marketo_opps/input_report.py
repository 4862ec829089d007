"""Log at the end of a run which values were not written, and which settings matched no stream."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps.near_names import listed
from target_marketo_opps.mapping.stream_notes import StreamNotes
from target_marketo_opps.stream_maps import unmatched

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.mapper import PluginMapper

    from target_marketo_opps.settings import TargetSettings

_LOGGER = logging.getLogger("target-marketo-opps")


class InputReport:
    """Collects what to log about the streams of the input at the end of a run.

    Args:
        mapper: has the definitions of the setting `stream_maps`.
        settings: the target's settings.
    """

    def __init__(self, mapper: PluginMapper, settings: TargetSettings) -> None:
        self._mapper = mapper
        self._settings = settings
        self._notes: dict[str, StreamNotes] = {}
        self._arrived: dict[str, None] = {}
        self._written: set[str] = set()

    def note_stream(self, arrived: str, written: str) -> None:
        """Remember that a stream was in the input, to find settings that match no stream.

        Args:
            arrived: name of the stream in the input.
            written: its name after `stream_maps`.
        """
        self._arrived[arrived] = None
        self._written.add(written)

    def notes_of(self, written: str) -> StreamNotes:
        """Return the `StreamNotes` of a stream: they collect what is not written of its records.

        Args:
            written: name of the stream after `stream_maps`.
        """
        logs_unknown = self._settings.unknown_fields == "warn"
        return self._notes.setdefault(written, StreamNotes(written, logs_unknown=logs_unknown))

    def log_not_written(self) -> None:
        """Log which properties and values of each stream were not written."""
        for notes in self._notes.values():
            for remark in notes.remarks():
                _LOGGER.info("%s", remark)
            for warning in notes.warnings():
                _LOGGER.warning("%s", warning)

    def log_unmatched_settings(self) -> None:
        """Warn, at the end of the input, about stream names in settings that match no stream.

        The settings are `stream_objects`, `field_map` and `stream_maps`.
        """
        if not self._arrived:
            return
        self._warn("stream_objects", self._settings.stream_objects.keys() - self._written)
        self._warn("field_map", self._settings.field_map.keys() - self._written)
        self._warn("stream_maps", unmatched(self._mapper, self._arrived))

    def _warn(self, setting: str, names: Collection[str]) -> None:
        if names:
            _LOGGER.warning(
                "Setting '%s' has entries for streams that were not in the input: %s. Streams in "
                "the input: %s.",
                setting,
                listed(sorted(names)),
                listed(self._arrived),
            )
