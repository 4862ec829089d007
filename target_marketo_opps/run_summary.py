"""Log what a run has done, at its end."""

from __future__ import annotations

import contextlib
import logging
import typing as t

from marketo_opps.plugin.errors import OutputFileError

if t.TYPE_CHECKING:
    from marketo_opps import CallCounts
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.rejects import RejectsFile
    from target_marketo_opps.settings import TargetSettings

_LOGGER = logging.getLogger("target-marketo-opps")


class RunSummary:
    """Logs outcomes, rejects and calls at the end of a run.

    Args:
        settings: the target's settings.
        counters: the counters of the run.
        rejects_file: takes rejected records; None without `rejects_path`.
    """

    def __init__(
        self, settings: TargetSettings, counters: RunCounters, rejects_file: RejectsFile | None
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._rejects_file = rejects_file

    def log(self, calls: CallCounts, *, short_batches: int, seconds: float) -> None:
        """Log the summary of the run; its last line is the closing line.

        Args:
            calls: number of calls and retries.
            short_batches: number of calls that were sent before they were full.
            seconds: duration of the run.
        """
        for line in self._counters.summary_lines(short_batches):
            _LOGGER.info("%s", line)
        for line in self._counters.causes.lines():
            _LOGGER.warning("%s", line)
        self._log_rejects_path()
        prefix = "Dry run, if Marketo accepts every record: " if self._settings.dry_run else ""
        _LOGGER.info("%s%s", prefix, self._counters.closing_line(calls, seconds))

    def log_dry_run_cost(self, predicted_calls: int, calls_today: int, limit: int | None) -> None:
        """Log how many calls the real run would make, and how many are left today.

        Args:
            predicted_calls: number of calls that the real run would make.
            calls_today: number of calls that all clients of the instance have made today.
            limit: value of the setting `daily_call_limit`.
        """
        left = (
            ""
            if limit is None
            else f"; daily_call_limit allows {max(0, limit - calls_today):,} more"
        )
        _LOGGER.info(
            "Dry run: nothing was written, and write permission was not checked. A real run would "
            "make about %s calls. All clients of this instance have made %s calls today%s.",
            f"{predicted_calls:,}",
            f"{calls_today:,}",
            left,
        )

    def _log_rejects_path(self) -> None:
        if self._rejects_file is None or not self._counters.rejected:
            return
        # If the rejects cannot be written, closing the file raises the error.
        with contextlib.suppress(OutputFileError):
            self._rejects_file.flush()
            _LOGGER.info("All rejected records were written to '%s'.", self._settings.rejects_path)
