"""State and catalog as the command line names them, a bad one told in one sentence."""

from __future__ import annotations

import io
import typing as t

from marketo_opps import SettingsError
from marketo_opps.configuration import json_object

if t.TYPE_CHECKING:
    from collections.abc import Callable


def checked_state(file: t.IO[str] | None) -> t.IO[str] | None:
    """An open file once it is known to hold a state; what is returned is to be read instead.

    Raises:
        SettingsError: it holds something else.
    """
    return _checked("--state", file, _state_fault)


def checked_catalog(file: t.IO[str] | None) -> t.IO[str] | None:
    """The same of a catalog.

    Raises:
        SettingsError: it holds something else.
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
    if fault := fault_of(json_object(option, file.name, text)):
        raise SettingsError(f"{option}: {file.name} {fault}.")
    return io.StringIO(text)


def _state_fault(state: dict[str, t.Any]) -> str | None:
    """What keeps a JSON object from being a state; an empty one is that of a first run."""
    if state.get("type") == "STATE":
        return "holds a whole STATE message: what is inside its 'value' is the state"
    if not state:
        return None
    bookmarks = state.get("bookmarks")
    if isinstance(bookmarks, dict) and all(isinstance(each, dict) for each in bookmarks.values()):
        return None
    return "is no state: it needs an object 'bookmarks' that holds an object for each stream"


def _catalog_fault(catalog: dict[str, t.Any]) -> str | None:
    streams = catalog.get("streams")
    if isinstance(streams, list) and all(map(_is_stream, streams)):
        return None
    return "is no catalog: it needs an array 'streams', as --discover prints it"


def _is_stream(stream: t.Any) -> bool:
    return isinstance(stream, dict) and {"tap_stream_id", "schema"} <= stream.keys()
