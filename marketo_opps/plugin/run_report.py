"""The line that a run leaves in the file at `report_path`, failed runs included."""

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
"""Stream names to what is counted of each, and how many."""


class RunReport:
    """Takes down what a run has done, and writes one line of it when the process ends.

    Only a run has one: a plugin that only discovers, tests or describes itself never begins it.

    Args:
        clock: monotonic seconds.
        now: returns the present; aware.
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
        self._is_run = False
        self._file: AppendedFile | None = None
        self._plugin: tuple[str, str] = ("", "")
        self._measure: Callable[[], tuple[StreamCounts, CallCounts]] = lambda: ({}, CallCounts())

    def expect_run(self) -> None:
        """Note that this process is about to move records."""
        self._is_run = True

    def begin(self, path: str, *, plugin: str, version: str) -> None:
        """Open the file, so that a wrong path ends the run at its start.

        Raises:
            OutputFileError: it cannot be opened.
        """
        if self._is_run and self._file is None:
            self._plugin = plugin, version
            self._file = AppendedFile(
                "report_path", path, consequence="The line of this run is missing from it."
            )

    def measure_by(self, measure: Callable[[], tuple[StreamCounts, CallCounts]]) -> None:
        """Have a function tell what has been done: counts by stream, and calls."""
        self._measure = measure

    def write(self, exit_code: int) -> None:
        """Write the line, if there is a file for it; where that fails, a log line says so."""
        if self._file is None:
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
"""The one of this process."""
