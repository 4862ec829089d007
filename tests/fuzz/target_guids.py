"""GUIDs of an input whose records are identified by marketoGUID (`dedupe_by: idField`)."""

from __future__ import annotations

import typing as t

from tests.fuzz.target_input import DEALS, GUID, KEY, ROLES, Message, Record

if t.TYPE_CHECKING:
    from collections.abc import Sequence

Key = tuple[t.Any, ...]

KEY_FIELDS = {DEALS: (KEY,), ROLES: (KEY, "leadId", "role")}
NOT_BY_GUID = {KEY, "leadId", "lead_email", "role"}


class Guids:
    """Replaces external ids by GUIDs in an input, and GUIDs by external ids in receipts.

    Args:
        stored: records of the instance, by stream.
    """

    def __init__(self, stored: dict[str, list[Record]]) -> None:
        self._guids: dict[tuple[str, Key], str] = {}
        self._parts: dict[str, Record] = {}
        for stream, records in stored.items():
            for record in records:
                self._note(stream, record, record[GUID])

    def messages(self, messages: Sequence[Message]) -> list[Message]:
        """Return an input as it is sent: each record has its GUID as the only key."""
        return [Message(stream, self._by_guid(stream, record)) for stream, record in messages]

    def key(self, sent: Record) -> Record:
        """Return the dedupe fields that belong to the GUID in a receipt's key or in a request."""
        return self._parts.get(sent[GUID]) or {KEY: None}

    def _by_guid(self, stream: str, record: Record) -> Record:
        if stream not in KEY_FIELDS:
            return record
        rest = {name: value for name, value in record.items() if name not in NOT_BY_GUID}
        return {GUID: self._guid(stream, record), **rest}

    def _guid(self, stream: str, record: Record) -> str | None:
        """Return the GUID of a record; one that the instance does not have for an unknown key."""
        if not all(record[name] for name in KEY_FIELDS[stream]):
            return None
        known = self._guids.get((stream, _key(stream, record)))
        return known or self._note(
            stream, record, f"f0000000-0000-4000-8000-{len(self._guids):012}"
        )

    def _note(self, stream: str, record: Record, guid: str) -> str:
        self._parts[guid] = {name: record[name] for name in KEY_FIELDS[stream]}
        return self._guids.setdefault((stream, _key(stream, record)), guid)


def _key(stream: str, record: Record) -> Key:
    return tuple(str(record[name]).rstrip().casefold() for name in KEY_FIELDS[stream])
