"""The judgement of a target's runs: STATEs, receipts, and the instance against the model."""

from __future__ import annotations

import copy
import json
import typing as t
from collections import Counter

from marketo_opps.models import NO_CODE
from tests.fuzz.runs import Ended, FoundError, Tally
from tests.fuzz.target_input import DEALS, DELETED, OBJECTS, ROLES, Message, Record, rename
from tests.fuzz.target_model import (
    Key,
    Model,
    Rules,
    content_of,
    is_delete,
    is_invalid,
    key_of,
    loose,
    receipt_key,
)
from tests.fuzz.witness import Receipt, Witness, key_told

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketo_sandbox.server.server import SandboxServer

DELIVERED = {"created": "delivered", "updated": "delivered", "unchanged": "delivered"}
"""Statuses that are not told apart after a lost response, or with `skip_unchanged`."""

EXISTS = {"1005", "1017"}


class Judge:
    """Judges what the runs of one input have left behind.

    Args:
        rules: settings and options that decide outcomes.
        messages: the whole input.
        sent: the whole input as it is sent.
        sandbox: the sandbox of the instance, before the first run.
        tally: counts to add to.
    """

    def __init__(
        self,
        rules: Rules,
        messages: Sequence[Message],
        sent: Sequence[Message],
        sandbox: SandboxServer,
        tally: Tally,
    ) -> None:
        self._rules, self._messages, self._sent, self._tally = rules, messages, sent, tally
        self._sandbox = sandbox
        self._before = self._content()
        model = Model(rules, copy.deepcopy(self._before)).send_all(messages)
        self._due, self._unsure = model.content, model.unsure
        self._excused: set[str] = set()
        self._witness = Witness(sandbox, rules)

    @property
    def knows_all(self) -> bool:
        """Return whether the outcome of every record can be told from the input."""
        return not self._unsure and not self._excused

    def expect(self, begin: int) -> dict[int, str]:
        """Return the outcomes of the records from a position on, given the present instance."""
        model = Model(self._rules, self._content()).send_all(self._messages, begin)
        self._unsure |= model.unsure
        return model.outcomes

    def excuse(self, receipts: Iterable[Receipt], refused: set[str]) -> None:
        """Expect nothing of opportunities of which a record was refused by an injected fault.

        A fault may also take the reasons of a skipped role away: it is rejected, although its code
        would have shown that it has to wait.

        Args:
            receipts: receipts of a run.
            refused: request ids of the refused calls.
        """
        for receipt in receipts:
            key = key_told(self._rules, receipt)
            is_by_fault = receipt["request_id"] in refused or NO_CODE in _codes(receipt)
            if key and receipt["status"] == "rejected" and is_by_fault:
                self._excused.add(loose(key[0]))

    def check_dry_run(self, ended: Ended) -> None:
        """Raise an error if a dry run has written anything."""
        if ended.stdout or self._content() != self._before:
            raise FoundError(f"a dry run has written: {ended.stdout[:200]}")

    def check_states(self, ended: Ended, begin: int) -> list[int]:
        """Return the positions of the STATEs; raise an error for an impossible one."""
        states = [json.loads(line)["before"] for line in ended.stdout.split("\n")[:-1]]
        if states != sorted(states) or (states and states[0] <= begin < len(self._messages)):
            raise FoundError(f"STATEs out of order after {begin}: {states}")
        if ended.code == 0 and states[-1:] != [len(self._messages)]:
            raise FoundError(f"exit status 0, but the last STATE is {states[-1:]}")
        end = states[-1] if states else begin
        invalid = sum(map(self._is_never_accepted, self._messages[begin:end]))
        if -1 < self._rules.settings["max_rejects"] < invalid:
            raise FoundError(f"a STATE has passed {invalid} invalid records")
        return states

    def check_receipts(self, receipts: Iterable[Receipt], begin: int, end: int) -> None:
        """Raise an error for a wrong receipt, or if a record before a STATE has none."""
        told: Counter[t.Any] = Counter()
        for receipt in receipts:
            self._witness.check(receipt)
            told[receipt["stream"], key_told(self._rules, receipt)] += 1
        due = Counter(self._receipt_name(number) for number in self._numbers(begin, end))
        self._tally.records += due.total()
        if lacking := due - told:
            self._tally.lost += lacking.total()
            raise FoundError(f"a STATE has passed records without receipts: {_some(lacking)}")

    def check_rejects(self, rejects: Sequence[Receipt]) -> None:
        """Raise an error for a reject that is not a record of the input, or has no reason."""
        maps = self._rules.settings["field_map"]
        known = {
            json.dumps([stream, rename(record, maps.get(stream, {}))], sort_keys=True)
            for stream, record in self._sent
        }
        for each in rejects:
            message = json.dumps([each["stream"], each["record"]], sort_keys=True)
            if message not in known or not each["reasons"]:
                raise FoundError(f"a reject that is not in the input, or without a reason: {each}")

    def check_outcomes(
        self,
        receipts: Iterable[Receipt],
        expected: Mapping[int, str],
        *,
        is_coarse: bool,
        is_lossy: bool,
    ) -> None:
        """Raise an error if the receipts of a finished run differ from the expected outcomes.

        Args:
            receipts: receipts of the run.
            expected: outcomes by the numbers of the records.
            is_coarse: whether created, updated and unchanged records are not told apart.
            is_lossy: whether a record that the run itself has created, by a call whose response
                was lost, may have been rejected as existing.
        """
        alike = DELIVERED if is_coarse else {}
        due = Counter(
            (*self._receipt_name(number), alike.get(outcome, outcome))
            for number, outcome in expected.items()
        )
        told: Counter[t.Any] = Counter()
        existing: Counter[t.Any] = Counter()
        for each in receipts:
            name = each["stream"], key_told(self._rules, each)
            told[*name, alike.get(each["status"], each["status"])] += 1
            existing[name] += not EXISTS.isdisjoint(_codes(each))
        for name, count in existing.items() if is_lossy else ():
            own = min(count, max(0, due[*name, "delivered"] - told[*name, "delivered"]))
            told[*name, "delivered"] += own
            told[*name, "rejected"] -= own
        lacks, extra = (self._sure(each) for each in (due - told, told - due))
        if lacks or extra:
            raise FoundError(f"receipts lack {_some(lacks)}; they have instead {_some(extra)}")

    def _sure(self, outcomes: Counter[t.Any]) -> Counter[t.Any]:
        """Return those of the counted outcomes whose record has a known one."""
        return Counter(
            {each: n for each, n in outcomes.items() if not each[1] or self._is_sure(each[1])}
        )

    def _is_sure(self, key: Key) -> bool:
        return key not in self._unsure and loose(key[0]) not in self._excused

    def compare(self, end: int, *, is_repeated: bool) -> None:
        """Compare the instance with the whole input, for keys without a record after `end`.

        Args:
            end: number of messages before the last STATE.
            is_repeated: whether a part of the input was sent more than once. Then it depends on
                what a run has seen whether a role is rejected that comes between the deletion
                and the new creation of its deal.
        """
        later = {self._name(number) for number in self._numbers(end, len(self._messages))}
        unsure = {key[:1] for _, key in later if key}
        unsure |= self._deleted_deals() if is_repeated else set()
        found = self._content()
        for stream in (DEALS, ROLES):
            keys = {*self._due[stream], *found[stream]}
            if stream == ROLES and is_repeated and self._rules.exact_keys:
                # At first only a deal of another spelling was there, and the role was rejected.
                keys = {*self._due[stream]}
            skipped = unsure if stream == ROLES else {key[:1] for _, key in later if key}
            sure = {key for key in keys if key[:1] not in skipped and self._is_sure(key)}
            self._compare(stream, sure, found[stream])

    def _compare(self, stream: str, keys: set[Key], found: Mapping[Key, Record]) -> None:
        due = self._due[stream]
        wrong = [key for key in keys if due.get(key) != found.get(key)]
        self._tally.records += len(keys)
        self._tally.lost += len(wrong)
        if wrong:
            details = str([(key, due.get(key), found.get(key)) for key in wrong[:3]])[:1500]
            raise FoundError(f"{len(wrong)} {stream} differ (key, due, found): {details}")

    def _content(self) -> dict[str, dict[Key, Record]]:
        return content_of(self._rules, self._sandbox)

    def _is_never_accepted(self, message: Message) -> bool:
        stream, record = message
        return (
            stream in {DEALS, ROLES} and not record.get(DELETED) and is_invalid(self._rules, record)
        )

    def _numbers(self, begin: int, end: int) -> list[int]:
        """Return the numbers of the records in a part of the input that are not ignored."""
        streams = {stream for stream, obj in OBJECTS.items() if obj != "ignore"}
        return [number for number in range(begin, end) if self._messages[number].stream in streams]

    def _name(self, number: int) -> tuple[str, Key | None]:
        stream, record = self._messages[number]
        return stream, key_of(self._rules, stream, record)

    def _receipt_name(self, number: int) -> tuple[str, Key | None]:
        stream, record = self._messages[number]
        return stream, receipt_key(self._rules, stream, record)

    def _deleted_deals(self) -> set[Key]:
        found = {
            key_of(self._rules, stream, record)
            for stream, record in self._messages
            if stream == DEALS and is_delete(record)
        }
        return {key for key in found if key}


def _codes(receipt: Receipt) -> set[str]:
    return {why["code"] for why in receipt["reasons"]}


def _some(counted: Counter[t.Any]) -> str:
    return str(counted.most_common(4))
