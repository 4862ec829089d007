"""Log lines of any run: its progress, where it stops, and how many calls it made."""

from __future__ import annotations

import logging
import time
import typing as t

from marketo_opps.fields import MARKETO_GUID
from marketo_opps.wording import counted
from tap_marketo_opps.sync.closing_notes import without_key
from tap_marketo_opps.sync.progress import Pace, ProgressReport, log_share

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.sync.progress import LogThrottle
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")

# The last STATE written is lost if the loader has not printed it yet.
_GO_ON = "To resume, run again with the last saved state."
_START_AGAIN = "No STATE was written yet: run again with the same state as before."


class CountedSource(t.Protocol):
    """Interface of a run's first pipeline stage, as needed to log the run's progress."""

    @property
    def keys_done(self) -> int:
        """Return the number of keys that this and earlier attempts of the run have looked up."""

    @property
    def total(self) -> int | None:
        """Return the number of keys that the whole run looks up; None if unknown."""

    @property
    def noun(self) -> str:
        """Return the word for a key in log messages, such as "lead"."""

    @property
    def reached(self) -> str | None:
        """Return the timestamp up to which the activity log was read; None if it is not read."""


class ProgressReporter:
    """Base class of reporters, which log the progress of a run and where it stops.

    Args:
        client: Client whose calls are counted.
        source: First pipeline stage of the run, which determines the progress.
        outputs: Outputs of the streams that the run serves; calls are logged with the first.
        throttle: Decides when progress is logged.
        log_span: Timestamps from and to which the activity log is read; None if it is not read.
    """

    def __init__(
        self,
        client: MarketoClient,
        source: CountedSource,
        outputs: Sequence[StreamOutput],
        throttle: LogThrottle,
        log_span: tuple[str | None, str] = (None, ""),
    ) -> None:
        self._client = client
        self._source = source
        self._outputs = outputs
        self._throttle = throttle
        self._names = " and ".join(output.name for output in outputs)
        self._began = time.monotonic()
        self._counts_before = client.counts
        self._log_span = log_span
        self._pace = Pace(self._share() or 0.0)
        self._has_state = False

    def note_state(self) -> None:
        """Record that the run has written a STATE, from which it can be resumed."""
        self._has_state = True

    def log_progress(self) -> None:
        """Log how far the run has come, unless that was logged a few seconds ago."""
        if self._throttle.is_due():
            _LOGGER.info("%s: %s", self._names, self._progress().summary())

    def log_stopping_point(self) -> None:
        """Log how far the run came, and how to resume it."""
        how = _GO_ON if self._has_state else _START_AGAIN
        _LOGGER.info("Stopped at %s. %s", self.so_far(), how)

    def so_far(self) -> str:
        """Return a text on how far the run has come: fraction done, records and calls so far."""
        return self._progress().so_far()

    def leaders_line(self) -> str:
        """Return the log line with the result of a run: its records, calls, retries and seconds.

        The records are those of the run's first stream, with whose line the calls of the whole run
        are logged. The lines of the other streams have only their records.
        """
        leader = self._outputs[0]
        counts, before = self._client.counts, self._counts_before
        calls, retries = counts.calls - before.calls, counts.retries - before.retries
        seconds = time.monotonic() - self._began
        return (
            f"{leader.name}: {counted(leader.counts.emitted, 'record')}, {counted(calls, 'call')}, "
            f"{counted(retries, 'retry')}, {seconds:.1f} s"
        )

    def warn_of_records_without_key(self) -> None:
        """Log a warning for each stream with records that were skipped for lack of a key."""
        for output in self._outputs:
            if count := output.counts.keyless:
                _LOGGER.warning("%s", without_key(output.name, MARKETO_GUID, count))

    def _progress(self) -> ProgressReport:
        seconds, share = time.monotonic() - self._began, self._share()
        return ProgressReport(
            where=self._where(),
            share=share,
            records=sum(output.counts.emitted for output in self._outputs),
            calls=self._client.counts.calls - self._counts_before.calls,
            seconds=seconds,
            seconds_left=None if share is None else self._pace.seconds_left(seconds, share),
        )

    def _where(self) -> str:
        source = self._source
        if source.reached:
            return f"activity log read up to {source.reached}"
        if source.total is None:
            return counted(source.keys_done, source.noun)
        return f"{source.keys_done:,} of {counted(source.total, source.noun)}"

    def _share(self) -> float | None:
        """Return the fraction of the run that is done, from 0 to 1; None if unknown."""
        source, (since, until) = self._source, self._log_span
        if source.reached:
            return log_share(source.reached, since or until, until)
        return source.keys_done / source.total if source.total else None
