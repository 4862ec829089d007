"""A record of all that an instance has written, and the check of receipts against it."""

from __future__ import annotations

import json
import typing as t

from tests.fuzz.runs import FoundError
from tests.fuzz.target_input import KEY

if t.TYPE_CHECKING:
    from pathlib import Path

    from marketo_sandbox.server.server import SandboxServer
    from tests.fuzz.target_model import Rules

Receipt = dict[str, t.Any]

_TABLES = {"opportunity": "opportunities", "role": "opportunity_roles"}


class Witness:
    """Notes each record that an instance creates, updates or deletes.

    Args:
        sandbox: the sandbox of the instance.
        rules: how the instance compares keys.
    """

    def __init__(self, sandbox: SandboxServer, rules: Rules) -> None:
        self._rules = rules
        self._written: set[tuple[t.Any, ...]] = set()
        self._attempted: set[tuple[t.Any, ...]] = set()
        instance = sandbox.instance
        self._sync, self._delete = instance.sync, instance.delete
        instance.sync = lambda obj, asked: self._note(obj, asked, self._sync(obj, asked))
        instance.delete = lambda obj, asked: self._note(obj, asked, self._delete(obj, asked))
        self.guids = {each["marketoGUID"] for each in instance.opportunities() + instance.roles()}

    def _note(self, obj: t.Any, asked: t.Any, envelope: t.Any) -> t.Any:
        for record, result in zip(asked["input"], envelope["result"], strict=True):
            key = (_TABLES[obj.table], *self._key(record))
            self._attempted.add(key)
            if "marketoGUID" in result:
                self._written.add((*key, result["status"], result["marketoGUID"]))
                self.guids.add(result["marketoGUID"])
        return envelope

    def _key(self, record: Receipt) -> tuple[t.Any, ...]:
        record = self._rules.dedupe_fields(record)
        role = (record["leadId"], self._rules.fold(record["role"])) if "role" in record else ()
        return (self._rules.fold(record[KEY]), *role)

    def check(self, receipt: Receipt) -> None:
        """Raise an error if a receipt claims what did not happen."""
        status, guid = receipt["status"], receipt["marketoGUID"]
        if status in {"rejected", "left_alone"}:
            if (status == "rejected") != bool(receipt["reasons"]):
                raise FoundError(f"reasons of {receipt}")
            return
        key = (receipt["object"], *self._key(receipt["key"]))
        if status == "deleted" and key not in self._attempted:
            raise FoundError(f"never deleted: {receipt}")
        if status in {"created", "updated"} and not self._was_written(key, guid):
            raise FoundError(f"never written: {receipt}")
        if status == "unchanged" and guid not in self.guids:
            raise FoundError(f"never there: {receipt}")

    def _was_written(self, key: tuple[t.Any, ...], guid: str | None) -> bool:
        return any(
            each[: len(key)] == key and guid in {each[-1], None} and each[-2] != "deleted"
            for each in self._written
        )


def read_lines(path: Path, offset: int) -> tuple[list[Receipt], int]:
    """Return the complete lines of a JSON Lines file from an offset on, and the offset after."""
    if not path.exists():
        return [], 0
    text = path.read_bytes()[offset:]
    lines = [json.loads(line) for line in text.split(b"\n")[:-1] if line.endswith(b"}")]
    return lines, offset + len(text)


def key_told(rules: Rules, receipt: Receipt) -> tuple[t.Any, ...] | None:
    """Return the key that a receipt tells, in the form in which the instance compares it."""
    key = rules.dedupe_fields(receipt["key"])
    if any(each in {None, ""} for each in key.values()):
        return None
    role = (key["leadId"], rules.fold(key["role"])) if "role" in key else ()
    return (rules.fold(key[KEY]), *role)
