"""Rejected records, and the file that keeps them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from marketo_opps.plugin.appended_file import AppendedFile
from target_marketo_opps.json_lines import encode, source_record

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketo_opps import MarketoObject, Reason
    from marketo_opps.models import Record
    from target_marketo_opps.delivery.batches import OutboundRecord


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected record.

    Attributes:
        stream: the stream as it arrived, before `stream_maps`.
        obj: the object it was meant for.
        record: the record as it arrived.
        reasons: Marketo's, or ours in Marketo's form.
        request_id: of the call that rejected it; None if it was rejected before any call.
        key: key fields with the record's values, as they were or would have been sent.
    """

    stream: str
    obj: MarketoObject
    record: Record
    reasons: tuple[Reason, ...]
    request_id: str | None = None
    key: Mapping[str, t.Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, record: OutboundRecord, reasons: Sequence[Reason], request_id: str | None = None
    ) -> Reject:
        """Return the reject of a record that was mapped."""
        return cls(
            record.source_stream,
            record.target.obj,
            source_record(record.source),
            tuple(reasons),
            request_id,
            record.sent_key,
        )

    def json_line(self) -> bytes:
        """Return the reject as one line of JSON."""
        members = {
            "stream": self.stream,
            "object": self.obj.value,
            "record": self.record,
            "reasons": [{"code": why.code, "message": why.message} for why in self.reasons],
            "request_id": self.request_id,
        }
        return encode(members) + b"\n"


class RejectsFile:
    """The JSON Lines file at `rejects_path`.

    Args:
        path: opened at once, so that a wrong path costs no call.

    Raises:
        OutputFileError: it cannot be opened, or (later) not written.
    """

    def __init__(self, path: str) -> None:
        self._file = AppendedFile(
            "rejects_path",
            path,
            consequence=(
                "No STATE was written past a reject that is not in the file: free disk space and "
                "run again."
            ),
        )

    def write(self, reject: Reject) -> None:
        """Append a reject; it is on disk only after `flush`."""
        self._file.write(reject.json_line())

    def flush(self) -> None:
        """Write everything to disk; called before a STATE passes a reject."""
        self._file.flush()

    def close(self) -> None:
        """Write everything to disk, and close."""
        self._file.close()
