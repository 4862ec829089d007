"""Creation of the run that finds a stream's records, which may serve several streams."""

from __future__ import annotations

import logging
import typing as t

from tap_marketo_opps.reconcile.start_reconcile import start_reconcile
from tap_marketo_opps.settings import BY_RECONCILE, find_by, skip_reason
from tap_marketo_opps.streams import LookupStream
from tap_marketo_opps.sync.start_run import start_run, streams_sharing_a_run

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk import Stream

    from marketo_opps import ObjectDescription
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.sync.run_context import RunContext, StreamRun

_LOGGER = logging.getLogger("tap-marketo-opps")


def run_of(
    stream: LookupStream,
    streams: Mapping[str, Stream],
    context: RunContext,
    opportunities: ObjectDescription | None,
    activity_types: Callable[[], FollowedTypes],
) -> StreamRun | None:
    """Return the run that finds a stream's records.

    Args:
        stream: The stream that is about to be read.
        streams: All streams of the tap, by name.
        context: Objects that all runs of the tap share.
        opportunities: Description of opportunities; None if describe was not called.
        activity_types: Returns the activity types to read.

    Returns:
        The run; None if the stream is skipped, or an earlier stream's run finds its records.

    Raises:
        SettingsError: Settings or state are invalid for a run.
    """
    if reason := skip_reason(context.config, stream.name):
        _LOGGER.info("%s", reason)
        return None
    if not context.time_box.admits(stream.name):
        return None
    if find_by(context.config) == BY_RECONCILE:
        reconciled = _reconciled(streams, context.config)
        return start_reconcile(stream.output(), [each.output() for each in reconciled], context)
    served = _streams_served(stream, streams, find_by(context.config))
    if served[0] is not stream:
        return None
    outputs = {each.name: each.output() for each in served}
    return start_run(outputs, context, opportunities, activity_types)


def _streams_served(
    stream: LookupStream, streams: Mapping[str, Stream], way: str
) -> list[LookupStream]:
    """Return the selected streams whose records are found by the same run as a given stream's.

    They are in the order in which streams are synced. In a dry run each stream has its own run.
    """
    if stream.is_dry_run:
        return [stream]
    selected = _selected(streams)
    return [selected[name] for name in streams_sharing_a_run(stream.name, [*selected], way)]


def _reconciled(streams: Mapping[str, Stream], config: Mapping[str, t.Any]) -> list[LookupStream]:
    """Return the streams that `find_by: reconcile` compares, in the order of their runs."""
    selected = _selected(streams)
    return [each for name, each in selected.items() if not skip_reason(config, name)]


def _selected(streams: Mapping[str, Stream]) -> dict[str, LookupStream]:
    return {
        name: each
        for name, each in streams.items()
        if isinstance(each, LookupStream) and each.selected
    }
