"""Write rejected records to a file, from which `replay` can send them again."""

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
    """A rejected record, and the reasons for its rejection.

    Attributes:
        stream: name of the stream in the input, before `stream_maps`.
        obj: the object that the stream is written to.
        record: the record as it arrived.
        reasons: Marketo's reasons, or the target's own reasons in the same form.
        request_id: requestId of the call that rejected the record; None if there was no call.
        key: key fields with the record's values, as they were sent or would have been sent.
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
        """Create a `Reject` from a record that was ready to be sent and the reject reasons."""
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
        path: path of the file, which is opened immediately, so that a wrong path costs no call.

    Raises:
        OutputFileError: the file cannot be opened or, later, written.
    """

    def __init__(self, path: str) -> None:
        self._file = AppendedFile(
            "rejects_path",
            path,
            consequence=(
                "No STATE was written after a reject that is not in the file: free disk space and "
                "run again."
            ),
        )

    def write(self, reject: Reject) -> None:
        """Append a reject to the file; it is certainly on disk only after `flush`."""
        self._file.write(reject.json_line())

    def flush(self) -> None:
        """Write all buffered rejects to disk, before a STATE that covers them is emitted."""
        self._file.flush()

    def close(self) -> None:
        """Write all buffered rejects to disk, and close the file."""
        self._file.close()
