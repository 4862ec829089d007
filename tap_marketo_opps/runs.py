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

    from marketo_opps import MarketoClient, ObjectDescription
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.singer_writer import MessageWriter
    from tap_marketo_opps.sync.run import StreamRun
    from tap_marketo_opps.sync.time_box import TimeBox

_LOGGER = logging.getLogger("tap-marketo-opps")


def run_of(
    stream: LookupStream,
    streams: Mapping[str, Stream],
    *,
    config: Mapping[str, t.Any],
    client: MarketoClient,
    writer: MessageWriter,
    state: dict[str, t.Any],
    opportunities: ObjectDescription | None,
    activity_types: Callable[[], FollowedTypes],
    time_box: TimeBox,
    seconds_between_logs: float,
) -> StreamRun | None:
    """Return the run that finds a stream's records; None if there is none, or it is another's.

    Args:
        stream: The one that is about to be read.
        streams: All of the tap's, by name.
        config: Settings of the tap.
        client: To read with.
        writer: Of messages.
        state: The tap's, which the run changes.
        opportunities: What describe said of opportunities; None if it was not asked.
        activity_types: Returns which types of activities are followed.
        time_box: The time that it may take.
        seconds_between_logs: How often progress is logged.

    Raises:
        SettingsError: Settings or state do not let it begin.
    """
    if reason := skip_reason(config, stream.name):
        _LOGGER.info("%s", reason)
        return None
    if not time_box.admits(stream.name):
        return None
    way = find_by(config)
    if way == BY_RECONCILE:
        return start_reconcile(
            stream.output(),
            config=config,
            client=client,
            writer=writer,
            state=state,
            time_box=time_box,
            seconds_between_logs=seconds_between_logs,
        )
    selected = {
        name: each
        for name, each in streams.items()
        if isinstance(each, LookupStream) and each.selected
    }
    names = [stream.name]
    if not stream.is_dry_run:
        names = streams_sharing_a_run(stream.name, [*selected], way)
    if names[0] != stream.name:
        return None
    return start_run(
        {name: each.output() for name, each in selected.items() if name in names},
        config=config,
        client=client,
        writer=writer,
        state=state,
        opportunities=opportunities,
        activity_types=activity_types,
        time_box=time_box,
        seconds_between_logs=seconds_between_logs,
    )
