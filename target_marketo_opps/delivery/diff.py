"""Write what a dry run predicts for every record: its action, and its changed fields."""

from __future__ import annotations

import typing as t

from marketo_opps.plugin.appended_file import AppendedFile
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.json_lines import encode

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_opps import MarketoObject
    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.outcomes import RecordOutcome
    from target_marketo_opps.delivery.rejects import Reject

_ACTIONS = {
    Outcome.CREATED: "create",
    Outcome.UPDATED: "update",
    Outcome.UNCHANGED: "unchanged",
    Outcome.DELETED: "delete",
}
_NOTHING: Mapping[str, tuple[t.Any, t.Any]] = {}


class Diff:
    """The JSON Lines file at `diff_path`, with one line for each record.

    Args:
        path: path of the file, which is opened immediately, so that a wrong path costs no call.

    Raises:
        OutputFileError: the file cannot be opened or, later, written.
    """

    def __init__(self, path: str) -> None:
        self._file = AppendedFile("diff_path", path, consequence="Free disk space and run again.")

    def take_accepted(self, record: OutboundRecord, outcome: RecordOutcome) -> None:
        """Write a line with the predicted action and field changes of a record."""
        action = _ACTIONS[outcome.kind]
        obj, key = record.target.obj, record.sent_key
        self._write(record.source_stream, obj, key, action, outcome.changes)

    def take_rejected(self, reject: Reject) -> None:
        """Write a line for a record that would be rejected."""
        self._write(reject.stream, reject.obj, reject.key, "reject")

    def take_left_alone(self, stream: str, obj: MarketoObject, key: Mapping[str, t.Any]) -> None:
        """Write a line for a record that is marked as deleted but would stay in Marketo.

        That is so without the setting `hard_delete`.
        """
        self._write(stream, obj, key, "leave_alone")

    def flush(self) -> None:
        """Write all buffered lines to disk, before a STATE that covers their records is emitted."""
        self._file.flush()

    def close(self) -> None:
        """Write all buffered lines to disk, and close the file."""
        self._file.close()

    def _write(
        self,
        stream: str,
        obj: MarketoObject,
        key: Mapping[str, t.Any],
        action: str,
        changes: Mapping[str, tuple[t.Any, t.Any]] = _NOTHING,
    ) -> None:
        line = {
            "stream": stream,
            "object": obj.value,
            "key": dict(key),
            "action": action,
            "changes": {name: {"old": old, "new": new} for name, (old, new) in changes.items()},
        }
        self._file.write(encode(line) + b"\n")
