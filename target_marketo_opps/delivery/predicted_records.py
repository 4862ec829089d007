"""Remember what a dry run would have left under each key that it has seen."""

from __future__ import annotations

import enum
import threading
import typing as t
from dataclasses import dataclass, field

from marketo_opps.private_database import private_database
from target_marketo_opps.json_lines import decode, encode

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from marketo_opps import MarketoObject, Record

_SCHEMA = """
CREATE TABLE records (name BLOB PRIMARY KEY, presence INTEGER, fields BLOB) WITHOUT ROWID;
"""


class Presence(enum.IntEnum):
    """What a dry run knows of a record that it has written to."""

    ABSENT = 0
    """The run would have deleted it."""
    NEW = 1
    """The run would have created it: what it has is what the run has written."""
    CHANGED = 2
    """Marketo has it, and the run would have written over some of its fields."""


@dataclass(frozen=True, slots=True)
class PredictedRecord:
    """What a run would have left under one key.

    Attributes:
        presence: whether there is a record then, and whose.
        written: the fields that the run would have written, with their last values.
    """

    presence: Presence
    written: Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Return whether there is a record under the key."""
        return self.presence is not Presence.ABSENT

    def over(self, stored: Record | None) -> Record | None:
        """Return the record as it would be, given what Marketo has now; None if there is none."""
        if not self.exists:
            return None
        base = stored or {} if self.presence is Presence.CHANGED else {}
        return {**base, **self.written}

    def after(self, fields: Mapping[str, t.Any]) -> PredictedRecord:
        """Return what is left once these fields are written as well."""
        if not self.exists:
            return PredictedRecord(Presence.NEW, fields)
        return PredictedRecord(self.presence, {**self.written, **fields})


class PredictedRecords:
    """Predicted records by object and key; from any thread."""

    def __init__(self) -> None:
        self._database = private_database(_SCHEMA)
        self._lock = threading.Lock()

    def get(self, obj: MarketoObject, key: Hashable) -> PredictedRecord | None:
        """Return what the run would have left under a key; None if it has not written to it."""
        query = "SELECT presence, fields FROM records WHERE name = ?"
        with self._lock:
            row = self._database.execute(query, (_name(obj, key),)).fetchone()
        return PredictedRecord(Presence(row[0]), decode(row[1])) if row else None

    def put(self, obj: MarketoObject, key: Hashable, predicted: PredictedRecord) -> None:
        """Remember what the run would have left under a key."""
        row = _name(obj, key), int(predicted.presence), encode(dict(predicted.written))
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", row)


def _name(obj: MarketoObject, key: Hashable) -> bytes:
    return encode([obj.value, key])
