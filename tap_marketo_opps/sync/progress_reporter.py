"""Logging of a run: its progress, where it stops, and what it has cost."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

from marketo_opps import MarketoError
from marketo_opps.fields import MARKETO_GUID
from marketo_opps.wording import counted
from tap_marketo_opps.sync.error_advice import is_resumable
from tap_marketo_opps.sync.progress import Pace, ProgressReport, log_share
from tap_marketo_opps.sync.stream_output import without_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.sync.progress import LogThrottle
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")

# Where a loader had not printed it yet, the last STATE that was written is lost.
_GO_ON = "To resume, run again with the last saved state."
_START_AGAIN = "No STATE was written yet: run again with the same state as before."


class CountedSource(t.Protocol):
    """The first stage of a run, by which its progress is counted."""

    @property
    def keys_done(self) -> int:
        """Return how many keys have been looked up, over all attempts."""

    @property
    def total(self) -> int | None:
        """Return how many keys there are, where that is known."""

    @property
    def noun(self) -> str:
        """Return what users call a key."""

    @property
    def reached(self) -> str | None:
        """Return up to when the activity log was read, where it is."""


class ProgressReporter:
    """Logs how far a run is, and what it has cost.

    Args:
        client: Whose calls are counted.
        source: Tells how far the run is.
        outputs: Of the streams that take part; the first leads.
        throttle: Says when progress is logged.
        log_span: From and to which moment the activity log is read, where it is.
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
        """Remember that a STATE has been written."""
        self._has_state = True

    def log_progress(self) -> None:
        """Log how far the run is, but not too often."""
        if self._throttle.is_due():
            _LOGGER.info("%s: %s", self._names, self._progress().summary())

    def log_stopping_point(self) -> None:
        """Log how far the run came, and how to go on."""
        how = _GO_ON if self._has_state else _START_AGAIN
        _LOGGER.info("Stopped at %s. %s", self.so_far(), how)

    def so_far(self) -> str:
        """Return how far the run came."""
        return self._progress().so_far()

    def leaders_line(self) -> str:
        """Return what the leading stream has emitted, and what the run has cost."""
        leader = self._outputs[0]
        counts, before = self._client.counts, self._counts_before
        calls, retries = counts.calls - before.calls, counts.retries - before.retries
        seconds = time.monotonic() - self._began
        return (
            f"{leader.name}: {counted(leader.counts.emitted, 'record')}, {counted(calls, 'call')}, "
            f"{counted(retries, 'retry')}, {seconds:.1f} s"
        )

    def warn_of_records_without_key(self) -> None:
        """Log how many records of each stream could not be emitted for want of their key."""
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
        """Return how much has been done, of 1; None where nobody knows how much there is."""
        source, (since, until) = self._source, self._log_span
        if source.reached:
            return log_share(source.reached, since or until, until)
        return source.keys_done / source.total if source.total else None


@contextlib.contextmanager
def advised_errors(
    advise: Callable[[MarketoError], MarketoError], reporter: ProgressReporter
) -> Iterator[None]:
    """Raise a run's error with advice, and log where the run can be gone on with.

    Args:
        advise: Returns an error that says more, or the error itself.
        reporter: Of the run.
    """
    try:
        yield
    except MarketoError as error:
        advised = advise(error)
        if is_resumable(advised):
            reporter.log_stopping_point()
        if advised is error:
            raise
        raise advised from error
