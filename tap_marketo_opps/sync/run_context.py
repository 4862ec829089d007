"""Objects that all runs of a tap share, and how runs make calls, write pages and handle errors."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from marketo_opps import MarketoError
from marketo_opps.plugin.workers import Workers
from marketo_opps.settings import instance_address
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.error_advice import is_resumable
from tap_marketo_opps.sync.progress import SECONDS_BETWEEN_LOGS, LogThrottle

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.stages import ChunkCursor, Stage
    from tap_marketo_opps.singer_writer import MessageWriter, TypedRecord
    from tap_marketo_opps.sync.progress_reporter import ProgressReporter
    from tap_marketo_opps.sync.stream_output import StreamOutput
    from tap_marketo_opps.sync.time_box import TimeBox

CALLS_IN_HAND = 2
"""Calls prepared beyond the concurrency limit, to start while another response is decoded."""


class StreamRun(t.Protocol):
    """Interface of a run, which finds and writes the records of one or more streams."""

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all records page by page; yield stream name and records of each written page."""

    @property
    def warnings(self) -> list[str]:
        """Return warnings to log, about records that may be missing, or fields in them."""


@dataclass(frozen=True)
class RunContext:
    """Objects that all runs of a tap share.

    Attributes:
        config: Settings of the tap.
        client: Client that makes the calls.
        writer: Writer of Singer messages.
        state: The tap's state, which runs update.
        time_box: Time limit of the run.
        seconds_between_logs: Seconds between two progress lines.
    """

    config: Mapping[str, t.Any]
    client: MarketoClient
    writer: MessageWriter
    state: dict[str, t.Any]
    time_box: TimeBox
    seconds_between_logs: float = SECONDS_BETWEEN_LOGS

    @property
    def instance(self) -> str:
        """Return the host of the Marketo instance, to which bookmarks belong."""
        return urlsplit(instance_address(self.config["endpoint"])).netloc.casefold()

    def begin(self, outputs: Iterable[StreamOutput]) -> None:
        """Write the SCHEMA messages of streams, and record that the run has begun to read them."""
        for output in outputs:
            self.time_box.begin(output.name)
            output.write_schema()

    def throttle(self) -> LogThrottle:
        """Return a throttle that limits how often a run that begins now logs its progress."""
        return LogThrottle(time.monotonic, self.seconds_between_logs)

    @contextlib.contextmanager
    def reading(
        self, reporter: ProgressReporter, with_advice: Callable[[MarketoError], MarketoError]
    ) -> Iterator[OrderedPrefetcher[tuple[Stage, ChunkCursor]]]:
        """Run the `with` block that reads the pages of a run, and handle errors that end it.

        The value of the `with` statement is a prefetcher for the pages. The end of the time limit
        ends the block with a warning. Any other error of Marketo is raised, with advice if there is
        any; if a later run can resume, the position at which the run stops is logged.

        Args:
            reporter: Reporter of the run, which logs progress while pages are awaited.
            with_advice: Returns an error with advice in place of an error, or the same error.
        """
        most_calls = self.config["max_concurrent_calls"] + CALLS_IN_HAND
        workers = Workers(most_calls, "marketo-read")
        try:
            with _advised_errors(with_advice, reporter), self.time_box.pausing(reporter.so_far):
                yield OrderedPrefetcher(workers, most_calls, self.time_box, reporter.log_progress)
        finally:
            workers.close()

    def write_page(self, lines: bytes) -> None:
        """Write a page of messages to stdout, and a STATE message after them."""
        self.writer.write(lines + encode_state(self.state))


@contextlib.contextmanager
def _advised_errors(
    with_advice: Callable[[MarketoError], MarketoError], reporter: ProgressReporter
) -> Iterator[None]:
    try:
        yield
    except MarketoError as error:
        advised = with_advice(error)
        if is_resumable(advised):
            reporter.log_stopping_point()
        if advised is error:
            raise
        raise advised from error
