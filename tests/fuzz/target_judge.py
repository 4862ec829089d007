"""The judgement of a target's runs: STATEs, receipts, and the instance against the model."""

from __future__ import annotations

import copy
import json
import typing as t
from collections import Counter

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
    receipt_key,
)
from tests.fuzz.witness import Receipt, Witness, key_told

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketo_sandbox.server.server import SandboxServer

DELIVERED = {"created": "delivered", "updated": "delivered", "unchanged": "delivered"}
"""Statuses that are not told apart after a lost response, or with `skip_unchanged`."""


class Judge:
    """Judges what the runs of one input have left behind.

    Args:
        rules: settings and options that decide outcomes.
        messages: the whole input.
        sandbox: the sandbox of the instance, before the first run.
        tally: counts to add to.
    """

    def __init__(
        self, rules: Rules, messages: Sequence[Message], sandbox: SandboxServer, tally: Tally
    ) -> None:
        self._rules, self._messages, self._tally = rules, messages, tally
        self._sandbox = sandbox
        self._before = self._content()
        self._due = Model(rules, copy.deepcopy(self._before)).send_all(messages).content
        self._witness = Witness(sandbox, rules)

    def expect(self, begin: int) -> dict[int, str]:
        """Return the outcomes of the records from a position on, given the present instance."""
        return Model(self._rules, self._content()).send_all(self._messages, begin).outcomes

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
            for stream, record in self._messages
        }
        for each in rejects:
            message = json.dumps([each["stream"], each["record"]], sort_keys=True)
            if message not in known or not each["reasons"]:
                raise FoundError(f"a reject that is not in the input, or without a reason: {each}")

    def check_outcomes(
        self, receipts: Iterable[Receipt], expected: Mapping[int, str], *, is_coarse: bool
    ) -> None:
        """Raise an error if the receipts of a finished run differ from the expected outcomes."""
        alike = DELIVERED if is_coarse else {}
        due = Counter(
            (*self._receipt_name(number), alike.get(outcome, outcome))
            for number, outcome in expected.items()
        )
        told = Counter(
            (
                each["stream"],
                key_told(self._rules, each),
                alike.get(each["status"], each["status"]),
            )
            for each in receipts
        )
        if due != told:
            lacks, extra = _some(due - told), _some(told - due)
            raise FoundError(f"receipts lack {lacks}; they have instead {extra}")

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
            skipped = unsure if stream == ROLES else {key[:1] for _, key in later if key}
            self._compare(stream, {key for key in keys if key[:1] not in skipped}, found[stream])

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


def _some(counted: Counter[t.Any]) -> str:
    return str(counted.most_common(4))
