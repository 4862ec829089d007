"""State and catalog as the command line names them; a bad one ends in one sentence."""

from __future__ import annotations

import io
import typing as t

from marketo_opps import SettingsError
from marketo_opps.plugin.command_line import read_json_object
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding.activity_log import ACTIVITIES
from tap_marketo_opps.finding.finders import OPPORTUNITIES, ROLES
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.state import with_bookmarks

if t.TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = (OPPORTUNITIES, ROLES, FIELDS, ACTIVITIES)
_NO_TEXT = "holds half of a surrogate pair, which is no character"
_NO_STREAM = f"is the catalog of another tap: it holds none of {', '.join(STREAMS)}"


def checked_state(file: t.IO[str] | None) -> t.IO[str] | None:
    """Check that an open file holds a state; return a copy to be read instead.

    Raises:
        SettingsError: It holds something else.
    """
    return _checked("--state", file, _state_fault)


def checked_catalog(file: t.IO[str] | None) -> t.IO[str] | None:
    """Check that an open file holds a catalog; return a copy to be read instead.

    Raises:
        SettingsError: It holds something else.
    """
    return _checked("--catalog", file, _catalog_fault)


def _checked(
    option: str,
    file: t.IO[str] | None,
    fault_of: Callable[[dict[str, t.Any]], str | None],
) -> t.IO[str] | None:
    if file is None:
        return None
    try:
        text = file.read()
    except (OSError, UnicodeError):
        raise SettingsError(f"{option}: {file.name} cannot be read as UTF-8.") from None
    if fault := fault_of(read_json_object(option, file.name, text)):
        raise SettingsError(f"{option}: {file.name} {fault}.")
    return io.StringIO(text)


def _state_fault(state: dict[str, t.Any]) -> str | None:
    """Return what keeps an object from being a state; an empty one is that of a first run."""
    if state.get("type") == "STATE":
        return "holds a whole STATE message: what is inside its 'value' is the state"
    if not state:
        return None
    bookmarks = with_bookmarks(state, STREAMS).get("bookmarks")
    if isinstance(bookmarks, dict) and all(map(_is_bookmark, bookmarks.values())):
        return None if _can_be_written(state) else _NO_TEXT
    return (
        "is no state: it needs an object 'bookmarks' that holds an object for each stream, as this "
        "tap writes it"
    )


def _can_be_written(state: dict[str, t.Any]) -> bool:
    try:
        encode_state(state)
    except (ValueError, OverflowError, RecursionError):
        return False
    return True


def _is_bookmark(bookmark: t.Any) -> bool:
    """Return True if the SDK can read it: it looks into two members that this tap never writes."""
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions", [])
    return (
        isinstance(partitions, list)
        and all(map(_is_bookmark, partitions))
        and isinstance(bookmark.get("progress_markers", {}), dict)
    )


def _catalog_fault(catalog: dict[str, t.Any]) -> str | None:
    streams = catalog.get("streams")
    if not isinstance(streams, list):
        return "is no catalog: it needs an array 'streams', as --discover prints it"
    if all(map(_is_stream, streams)):
        return None if any(each["tap_stream_id"] in STREAMS for each in streams) else _NO_STREAM
    return (
        "is no catalog: one of its streams is not as --discover prints it, with 'tap_stream_id', "
        "a 'schema' with 'properties', and 'metadata'"
    )


def _is_stream(stream: t.Any) -> bool:
    if not isinstance(stream, dict) or "tap_stream_id" not in stream:
        return False
    properties = _member(stream, "schema", "properties")
    metadata = stream.get("metadata", [])
    return (
        isinstance(properties, dict)
        and all(isinstance(each, dict) for each in properties.values())
        and isinstance(metadata, list)
        and all(isinstance(_member(each, "metadata"), dict) for each in metadata)
        and all(isinstance(_member(each, "breadcrumb"), list) for each in metadata)
    )


def _member(value: t.Any, *names: str) -> t.Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
