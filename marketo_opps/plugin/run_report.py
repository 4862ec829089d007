"""The report of a run: one JSON line in the file at `report_path`, also for a failed run."""

from __future__ import annotations

import json
import logging
import time
import typing as t
from datetime import UTC, datetime

from marketo_opps.models import CallCounts
from marketo_opps.plugin.appended_file import AppendedFile
from marketo_opps.plugin.errors import OutputFileError

if t.TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger("marketo_opps")

StreamCounts = t.Mapping[str, t.Mapping[str, int]]
"""Stream names to the names and values of their counters."""


class RunReport:
    """Collects the counters of a run; appends them as one JSON line when the process ends.

    Args:
        clock: returns monotonic seconds.
        now: returns the current time, with a time zone.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._now = now
        self._began_at = clock()
        self._file: AppendedFile | None = None
        self._is_only_failure = False
        self._plugin: tuple[str, str] = ("", "")
        self._measure: Callable[[], tuple[StreamCounts, CallCounts]] = lambda: ({}, CallCounts())

    def begin(self, path: str, *, plugin: str, version: str, is_only_failure: bool = False) -> None:
        """Open the file at `report_path` at the start of a run, so that a wrong path fails at once.

        Later calls have no effect.

        Args:
            path: path of the file.
            plugin: name of the plugin.
            version: its version.
            is_only_failure: True to append no line if the exit code is 0.

        Raises:
            OutputFileError: the file cannot be opened.
        """
        if self._file is None:
            self._plugin = plugin, version
            self._is_only_failure = is_only_failure
            self._file = AppendedFile(
                "report_path", path, consequence="The line of this run is missing from it."
            )

    def measure_by(self, measure: Callable[[], tuple[StreamCounts, CallCounts]]) -> None:
        """Set the function that returns the counters to report: of records and of API calls."""
        self._measure = measure

    def write(self, exit_code: int) -> None:
        """Append the run's report to the file that `begin` opened, if any; log a failure."""
        if self._file is None or (self._is_only_failure and exit_code == 0):
            return
        try:
            self._file.write(json.dumps(self._content(exit_code)).encode() + b"\n")
            self._file.close()
        except OutputFileError as error:
            _LOGGER.error("%s", error)

    def _content(self, exit_code: int) -> dict[str, t.Any]:
        streams, counts = self._measure()
        plugin, version = self._plugin
        return {
            "at": self._now().isoformat(timespec="seconds"),
            "plugin": plugin,
            "version": version,
            "exit": exit_code,
            "streams": {name: dict(each) for name, each in streams.items()},
            "calls": counts.calls,
            "retries": counts.retries,
            "seconds": round(self._clock() - self._began_at, 3),
            "waited": {
                "rate": round(counts.seconds_waited_for_limits, 3),
                "retry": round(counts.seconds_waited_to_retry, 3),
            },
        }


RUN_REPORT = RunReport()
"""The report of this process."""
