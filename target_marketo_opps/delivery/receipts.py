"""Write a receipt for every record whose outcome is known: one line of JSON."""

from __future__ import annotations

import typing as t

from marketo_opps.plugin.appended_file import AppendedFile
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.json_lines import encode

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from marketo_opps import MarketoObject
    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.outcomes import RecordOutcome
    from target_marketo_opps.delivery.rejects import Reject


class SettledRecords(t.Protocol):
    """A file with one line for every record whose outcome is known: receipts, or the diff."""

    def take_accepted(self, record: OutboundRecord, outcome: RecordOutcome) -> None:
        """Write a line for a record that Marketo accepted or already had with the same values."""

    def take_rejected(self, reject: Reject) -> None:
        """Write a line for a rejected record."""

    def take_left_alone(self, stream: str, obj: MarketoObject, key: Mapping[str, t.Any]) -> None:
        """Write a line for a record that is marked as deleted, but stays in Marketo.

        That is so without the setting `hard_delete`.
        """

    def flush(self) -> None:
        """Write all buffered lines to disk, before a STATE that covers their records is emitted."""

    def close(self) -> None:
        """Write all buffered lines to disk, and close the file."""


class Receipts:
    """The JSON Lines file at `receipts_path`.

    Args:
        path: path of the file, which is opened immediately, so that a wrong path costs no call.
        now: returns the current time by Marketo's clock.

    Raises:
        OutputFileError: the file cannot be opened or, later, written.
    """

    def __init__(self, path: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._file = AppendedFile(
            "receipts_path",
            path,
            consequence=(
                "No STATE was written after a record without a receipt: free disk space and run "
                "again."
            ),
        )

    def take_accepted(self, record: OutboundRecord, outcome: RecordOutcome) -> None:
        """Write the receipt of a record that Marketo accepted or already had."""
        self._write(
            record.source_stream,
            record.target.obj,
            record.sent_key,
            status=outcome.kind.identifier,
            marketoGUID=outcome.marketo_guid,
            reasons=[],
            request_id=outcome.request_id,
        )

    def take_rejected(self, reject: Reject) -> None:
        """Write the receipt of a rejected record."""
        self._write(
            reject.stream,
            reject.obj,
            reject.key,
            status=Outcome.REJECTED.identifier,
            marketoGUID=None,
            reasons=[{"code": why.code, "message": why.message} for why in reject.reasons],
            request_id=reject.request_id,
        )

    def take_left_alone(self, stream: str, obj: MarketoObject, key: Mapping[str, t.Any]) -> None:
        """Write the receipt of a record that is marked as deleted, but stays in Marketo.

        That is so without the setting `hard_delete`.
        """
        self._write(
            stream,
            obj,
            key,
            status=Outcome.LEFT_ALONE.identifier,
            marketoGUID=None,
            reasons=[],
            request_id=None,
        )

    def flush(self) -> None:
        """Write all buffered receipts to disk, before a STATE that covers them is emitted."""
        self._file.flush()

    def close(self) -> None:
        """Write all buffered receipts to disk, and close the file."""
        self._file.close()

    def _write(
        self, stream: str, obj: MarketoObject, key: Mapping[str, t.Any], **members: t.Any
    ) -> None:
        line = {
            "at": self._now().isoformat(timespec="seconds"),
            "stream": stream,
            "object": obj.value,
            "key": dict(key),
            **members,
        }
        self._file.write(encode(line) + b"\n")
