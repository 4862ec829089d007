"""Remember what a dry run would have written under each key."""

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
    """Whether a record would exist after a dry run, and who would have created it."""

    ABSENT = 0
    """The run would have deleted it."""
    NEW = 1
    """The run would have created it, so its only fields are those that the run wrote."""
    CHANGED = 2
    """Marketo has it, and the run would have changed some of its fields."""


@dataclass(frozen=True, slots=True)
class PredictedRecord:
    """The record that a real run would have left under one key.

    Attributes:
        presence: whether the record would exist, and who would have created it.
        written: the fields that the run would have written, with their last values.
    """

    presence: Presence
    written: Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Return whether Marketo would have a record with this key after the run."""
        return self.presence is not Presence.ABSENT

    def over(self, stored: Record | None) -> Record | None:
        """Return all fields that a record would have: those that Marketo has, changed by the run.

        None is returned if the record would not exist.

        Args:
            stored: the record that Marketo has now; None if it has none.
        """
        if not self.exists:
            return None
        base = stored or {} if self.presence is Presence.CHANGED else {}
        return {**base, **self.written}

    def after(self, fields: Mapping[str, t.Any]) -> PredictedRecord:
        """Return the prediction for this record once the run has also written some more fields."""
        if not self.exists:
            return PredictedRecord(Presence.NEW, fields)
        return PredictedRecord(self.presence, {**self.written, **fields})


class PredictedRecords:
    """What a dry run would have written to Marketo so far, by object and key; thread-safe."""

    def __init__(self) -> None:
        self._database = private_database(_SCHEMA)
        self._lock = threading.Lock()

    def get(self, obj: MarketoObject, key: Hashable) -> PredictedRecord | None:
        """Return what the dry run would have written under a key so far; None if nothing."""
        query = "SELECT presence, fields FROM records WHERE name = ?"
        with self._lock:
            row = self._database.execute(query, (_name(obj, key),)).fetchone()
        return PredictedRecord(Presence(row[0]), decode(row[1])) if row else None

    def put(self, obj: MarketoObject, key: Hashable, predicted: PredictedRecord) -> None:
        """Store what the dry run would have written under a key so far."""
        row = _name(obj, key), int(predicted.presence), encode(dict(predicted.written))
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", row)


def _name(obj: MarketoObject, key: Hashable) -> bytes:
    return encode([obj.value, key])
