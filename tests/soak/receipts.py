"""The audit of the target's receipts: against the tap's output, and against the destination."""

from __future__ import annotations

import typing as t
from collections import Counter

from tests.fuzz.witness import read_lines
from tests.soak.tables import MARK, Message, data_records, record_key
from tests.soak.world import KEY
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.sandbox_process import SandboxProcess

Name = tuple[str, tuple[t.Any, ...]]

WRITTEN = frozenset({"created", "updated"})
OUTCOMES = {False: WRITTEN | {"rejected"}, True: frozenset({"deleted", "rejected"})}
"""Valid outcomes of a living record, and of a tombstone."""


class Settled(t.NamedTuple):
    """The last receipt of a record that was not rejected.

    Attributes:
        number: number of the receipt.
        status: its status.
        guid: its marketoGUID.
    """

    number: int
    status: str
    guid: str | None


class ReceiptAudit:
    """Reads the receipts and rejects of each run, and compares them with what the tap wrote.

    Args:
        receipts, rejects: paths of both files.

    Attributes:
        statuses: number of receipts by status.
        wrong: number of receipts that are missing, or differ from input or destination.
    """

    def __init__(self, receipts: Path, rejects: Path) -> None:
        self._paths = {"receipts": receipts, "rejects": rejects}
        self._read = {"receipts": 0, "rejects": 0}
        self._last: dict[Name, Settled] = {}
        self.statuses: Counter[str] = Counter()
        self.wrong = 0

    def judge_run(
        self, messages: list[Message], states: list[t.Any], *, is_whole: bool, is_killed: bool
    ) -> list[str]:
        """Read the receipts of a run; return one finding for each kind of fault.

        Args:
            messages: what the tap has written.
            states: what the target has written.
            is_whole: True if both have succeeded.
            is_killed: True if the target was killed.
        """
        receipts, rejects = self._new("receipts"), self._new("rejects")
        sent = Counter(_sent(each) for each in data_records(messages))
        due = sent if is_whole else Counter(map(_sent, _passed(messages, states)))
        told = Counter((_name(each), each["status"]) for each in receipts)
        for each in receipts:
            self._note(each)
        named = Counter(name for name, _ in told.elements())
        refused = Counter(name for name, status in told.elements() if status == "rejected")
        kept = Counter(
            (each["object"], record_key(each["object"], each["record"])) for each in rejects
        )
        return [
            *self._found("a STATE has passed records without a receipt", _named(due) - named),
            *self._found("receipts of records that were not sent", named - _named(sent)),
            *self._found("outcomes that cannot be", _impossible(sent, told)),
            *self._found("rejected, but not in the rejects file", refused - kept),
            *([] if is_killed else self._found("rejects without a receipt", kept - refused)),
        ]

    def judge_destination(
        self, destination: SandboxProcess, removed: set[int], moved: set[str]
    ) -> list[str]:
        """Compare the last receipt of each record with the destination; return findings.

        A record that a killed target has written gets its receipt when the tap emits it again; if
        it has lost its roles meanwhile, the tap finds it no more.

        Args:
            destination: the instance that the target has written to.
            removed: leads that were deleted there with their roles.
            moved: opportunities that have ever lost or moved a role in the source.
        """
        stored: dict[Name, str] = {
            (stream, record_key(stream, each)): each["marketoGUID"]
            for stream, path in ((OPPORTUNITIES, "opportunities"), (ROLES, "roles"))
            for each in destination.ask(path)["records"]
        }
        there = {name: last for name, last in self._last.items() if self._is_due(name, removed)}
        absent = Counter(name for name, last in there.items() if stored.get(name) != last.guid)
        extra = Counter(name for name in stored.keys() - there if name[1][0] not in moved)
        return [
            *self._found("written by a receipt, but not in the destination", absent),
            *self._found("in the destination without a receipt", extra),
        ]

    def _new(self, what: str) -> list[dict[str, t.Any]]:
        lines, self._read[what] = read_lines(self._paths[what], self._read[what])
        return lines

    def _note(self, receipt: dict[str, t.Any]) -> None:
        self.statuses[receipt["status"]] += 1
        if receipt["status"] != "rejected":
            number = self.statuses.total()
            self._last[_name(receipt)] = Settled(number, receipt["status"], receipt["marketoGUID"])

    def _is_due(self, name: Name, removed: set[int]) -> bool:
        """Return whether a record must be in the destination."""
        stream, key = name
        last = self._last[name]
        if last.status not in WRITTEN or (stream == ROLES and key[1] in removed):
            return False
        deal = self._last.get((OPPORTUNITIES, key[:1]))
        return not (deal and deal.status == "deleted" and deal.number > last.number)

    def _found(self, what: str, wrong: Counter[t.Any]) -> list[str]:
        self.wrong += wrong.total()
        return [f"{wrong.total()} {what}: {wrong.most_common(3)}"] if wrong else []


def _sent(each: tuple[str, dict[str, t.Any]]) -> tuple[Name, bool]:
    stream, record = each
    return (stream, record_key(stream, record)), bool(record.get(MARK))


def _named(sent: Counter[tuple[Name, bool]]) -> Counter[Name]:
    return Counter(name for name, _ in sent.elements())


def _name(receipt: dict[str, t.Any]) -> Name:
    key = receipt["key"]
    role = (key["leadId"], key["role"]) if receipt["object"] == ROLES else ()
    return receipt["object"], (key[KEY], *role)


def _passed(messages: list[Message], states: list[t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    """Return the records before the last STATE that the target has written."""
    if not states:
        return []
    ends = [each["type"] == "STATE" and each["value"] == states[-1] for each in messages]
    return data_records(messages[: ends.index(True)])


def _impossible(
    sent: Counter[tuple[Name, bool]], told: Counter[tuple[Name, str]]
) -> Counter[tuple[Name, str]]:
    possible: dict[Name, set[str]] = {}
    for name, is_deleted in sent:
        possible.setdefault(name, set()).update(OUTCOMES[is_deleted])
    return Counter(
        each for each in told if each[0] in possible and each[1] not in possible[each[0]]
    )
