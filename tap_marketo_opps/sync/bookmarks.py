"""Reading and checking of the bookmarks with which a run begins."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from marketo_opps import SettingsError
from tap_marketo_opps.sync.state import Bookmark
from tap_marketo_opps.timestamps import plus_seconds

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")

# A bookmark may be this far in the future, because an instance's machines differ in their clocks.
_TOLERANCE_SECONDS = 300


def read_bookmarks(
    outputs: Mapping[str, StreamOutput], *, instance: str, now: str, start_date: str | None
) -> dict[str, Bookmark]:
    """Return the streams' bookmarks.

    Args:
        outputs: The streams by name.
        instance: Host of the instance.
        now: Current timestamp by Marketo's clock.
        start_date: Value of the setting, as a timestamp.

    Raises:
        SettingsError: `start_date` is in the future; or a bookmark is unreadable, belongs to
            another instance, or is in the future and there is no `start_date` to use instead.
    """
    if start_date and start_date > now:
        raise SettingsError(
            f"start_date {start_date} is in the future: by Marketo's clock it is {now}. Set it to "
            "the date-time from which changes are wanted."
        )
    latest = plus_seconds(now, _TOLERANCE_SECONDS)
    bookmarks = {name: _read(output, instance, latest) for name, output in outputs.items()}
    return {
        name: _not_ahead(name, bookmark, latest, now, start_date)
        if outputs[name].is_incremental
        else bookmark
        for name, bookmark in bookmarks.items()
    }


def warn_of_lost_position(stream: str) -> None:
    """Log a warning that the interrupted run of a stream cannot be resumed."""
    _LOGGER.getChild(stream).warning(
        "Cannot resume the interrupted run of %s, because its position cannot be read: starting "
        "from the last finished run.",
        stream,
    )


def own_bookmark(output: StreamOutput, instance: str) -> Bookmark:
    """Return a stream's bookmark, after checking that it belongs to this Marketo instance.

    Args:
        output: The stream.
        instance: Host of the instance.

    Raises:
        SettingsError: The bookmark is unreadable, or belongs to another instance.
    """
    try:
        bookmark = Bookmark.from_state(output.state, output.replication_key)
    except ValueError as error:
        raise SettingsError(
            f"The state of {output.name} cannot be read: {error}. Restore the last good state; "
            "without one, find_by: activities begins at start_date."
        ) from None
    if bookmark.instance not in {None, instance}:
        raise SettingsError(
            f"The state of {output.name} belongs to the instance {bookmark.instance}, but endpoint "
            f"is {instance}: use a separate state for each instance (in Meltano: "
            "--state-id-suffix), or run without a state."
        )
    return bookmark


def _read(output: StreamOutput, instance: str, latest: str) -> Bookmark:
    bookmark = own_bookmark(output, instance)
    if bookmark.resume and bookmark.resume.is_ahead_of(latest):
        bookmark = replace(bookmark, resume=None)
    if output.state.get("resume") is not None and not bookmark.resume:
        warn_of_lost_position(output.name)
    return replace(bookmark, instance=instance)


def _not_ahead(
    name: str, bookmark: Bookmark, latest: str, now: str, start_date: str | None
) -> Bookmark:
    """Return a bookmark, unless it is in the future; then log a warning and return an empty one.

    Args:
        name: Name of the stream.
        bookmark: The stream's bookmark.
        latest: Timestamp after which a bookmark counts as being in the future.
        now: Current timestamp by Marketo's clock.
        start_date: Value of the setting, from which the run then begins.

    Raises:
        SettingsError: The bookmark is in the future and there is no `start_date`.
    """
    if not bookmark.up_to or bookmark.up_to <= latest:
        return bookmark
    fault = (
        f"The bookmark of {name} is in the future: {bookmark.up_to}, while by Marketo's clock it "
        f"is {now}"
    )
    if start_date is None:
        raise SettingsError(
            f"{fault}. Changes until then would be missed: set start_date to begin there instead, "
            "or correct the state."
        )
    _LOGGER.getChild(name).warning("%s. Starting from start_date (%s) instead.", fault, start_date)
    return Bookmark(instance=bookmark.instance)
