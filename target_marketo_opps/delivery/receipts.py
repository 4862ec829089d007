"""What became of every record, a line each: receipts of a run."""

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
    """Takes each record once, as soon as it is settled."""

    def take_accepted(self, record: OutboundRecord, outcome: RecordOutcome) -> None:
        """Take a record that Marketo has accepted, or holds just so."""

    def take_rejected(self, reject: Reject) -> None:
        """Take a record that is rejected."""

    def take_left_alone(self, stream: str, obj: MarketoObject, key: Mapping[str, t.Any]) -> None:
        """Take a record that is marked as deleted, and not deleted."""

    def flush(self) -> None:
        """Write everything to disk; called before a STATE passes these records."""

    def close(self) -> None:
        """Write everything to disk, and close."""


class Receipts:
    """The JSON Lines file at `receipts_path`.

    Args:
        path: opened at once, so that a wrong path costs no call.
        now: returns the present by Marketo's clock.

    Raises:
        OutputFileError: it cannot be opened, or (later) not written.
    """

    def __init__(self, path: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._file = AppendedFile(
            "receipts_path",
            path,
            consequence=(
                "No STATE was written past a record without a receipt: free disk space and run "
                "again."
            ),
        )

    def take_accepted(self, record: OutboundRecord, outcome: RecordOutcome) -> None:
        """Write the receipt of a record that Marketo has accepted, or holds just so."""
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
        """Write the receipt of a record that is rejected."""
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
        """Write the receipt of a record that is marked as deleted, and not deleted."""
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
        """Write everything to disk."""
        self._file.flush()

    def close(self) -> None:
        """Write everything to disk, and close."""
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
