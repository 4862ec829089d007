"""Validation of the files given as `--state` and `--catalog`, and tests of the selected streams."""

from __future__ import annotations

import io
import typing as t

from marketo_opps import SettingsError
from marketo_opps.plugin.command_line import read_json_object, read_text
from tap_marketo_opps.catalogs import STREAMS, catalog_fault
from tap_marketo_opps.connection_test import SCHEMA
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.state import with_bookmarks

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk import Tap

    from tap_marketo_opps.marketo_stream import MarketoStream

PURPOSE = "Read opportunities and their roles from Adobe Marketo Engage, as Singer messages."
EXAMPLES = """\
Examples:
  tap-marketo-opps --config tap.json --test
  tap-marketo-opps --config tap.json --discover > catalog.json
  tap-marketo-opps --config tap.json --catalog catalog.json | target-jsonl
  tap-marketo-opps --config=ENV --state state.json | target-jsonl
  tap-marketo-opps --about --format=markdown"""

_NO_TEXT = "contains an unpaired surrogate, which is not valid Unicode"


def checked_state(file: t.IO[str] | None) -> t.IO[str] | None:
    """Check that the file given as `--state` contains a Singer state.

    Returns:
        The file's content as a new file object, because the given one has been read to its end;
        None if no file is given.

    Raises:
        SettingsError: The content is not a state of this tap.
    """
    return _checked("--state", file, _state_fault)


def checked_catalog(file: t.IO[str] | None) -> t.IO[str] | None:
    """Check that the file given as `--catalog` contains a Singer catalog.

    Returns:
        The file's content as a new file object, because the given one has been read to its end;
        None if no file is given.

    Raises:
        SettingsError: The content is not a catalog of this tap.
    """
    return _checked("--catalog", file, catalog_fault)


def try_streams(tap: Tap, kind: str) -> None:
    """Test the selected streams by writing their SCHEMA messages and, by default, some records.

    Args:
        tap: The tap under test.
        kind: Value of `--test`; "schema" to write no records.
    """
    selected = [stream for stream in tap.streams.values() if stream.selected]
    if kind != SCHEMA:
        tap.run_sync_dry_run(streams=selected)
        return
    for stream in selected:
        t.cast("MarketoStream", stream).write_schema()


def _checked(
    option: str,
    file: t.IO[str] | None,
    fault_of: Callable[[dict[str, t.Any]], str | None],
) -> t.IO[str] | None:
    if file is None:
        return None
    text = read_text(option, file.name, file)
    if fault := fault_of(read_json_object(option, file.name, text)):
        raise SettingsError(f"{option}: {file.name} {fault}.")
    return io.StringIO(text)


def _state_fault(state: dict[str, t.Any]) -> str | None:
    """Return why a JSON object is not a state of this tap; None if it is a state, such as {}."""
    if state.get("type") == "STATE":
        return "contains a whole STATE message: use only the content of its 'value'"
    if not state:
        return None
    bookmarks = with_bookmarks(state, STREAMS).get("bookmarks")
    if isinstance(bookmarks, dict) and all(map(_is_bookmark, bookmarks.values())):
        return None if _can_be_written(state) else _NO_TEXT
    return (
        "is not a Singer state of this tap: it must have an object 'bookmarks' that contains an "
        "object for each stream"
    )


def _can_be_written(state: dict[str, t.Any]) -> bool:
    try:
        encode_state(state)
    except (ValueError, OverflowError, RecursionError):
        return False
    return True


def _is_bookmark(bookmark: t.Any) -> bool:
    """Return True if the SDK can read a value as a stream's bookmark.

    The value may have the members `partitions` and `progress_markers`, which this tap never writes.
    """
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions", [])
    return (
        isinstance(partitions, list)
        and all(map(_is_bookmark, partitions))
        and isinstance(bookmark.get("progress_markers", {}), dict)
    )
