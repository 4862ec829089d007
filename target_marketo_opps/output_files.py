"""Open the files that a run writes, besides STATE: rejects, and receipts or a diff."""

from __future__ import annotations

import contextlib
import typing as t

from target_marketo_opps.delivery.diff import Diff
from target_marketo_opps.delivery.receipts import Receipts
from target_marketo_opps.delivery.rejects import RejectsFile

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient
    from target_marketo_opps.delivery.receipts import SettledRecords
    from target_marketo_opps.settings import TargetSettings


class OutputFiles:
    """The files at `rejects_path`, and at `receipts_path` or `diff_path`.

    Args:
        settings: the target's settings.
        client: tells the time by Marketo's clock.

    Attributes:
        rejects: takes rejected records; None without `rejects_path`.
        settled: writes a line for every record whose outcome is known: receipts or, in a dry run,
            the diff; None if neither is written.

    Raises:
        OutputFileError: a file cannot be opened or, later, written.
    """

    def __init__(self, settings: TargetSettings, client: MarketoClient) -> None:
        self.rejects = RejectsFile(settings.rejects_path) if settings.rejects_path else None
        self.settled = _settled_records(settings, client)

    def flush(self) -> None:
        """Write all buffered lines to disk, before a STATE that covers their records is emitted."""
        for file in (self.rejects, self.settled):
            if file is not None:
                file.flush()

    def close(self) -> None:
        """Close all files, even if closing one of them fails."""
        with contextlib.ExitStack() as closing:
            for file in (self.settled, self.rejects):
                if file is not None:
                    closing.callback(file.close)


def _settled_records(settings: TargetSettings, client: MarketoClient) -> SettledRecords | None:
    if settings.dry_run:
        return Diff(settings.diff_path) if settings.diff_path else None
    return Receipts(settings.receipts_path, client.server_now) if settings.receipts_path else None
