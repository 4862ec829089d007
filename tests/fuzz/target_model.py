"""The instance and the outcomes that README and manual promise for an input sent in turn."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from tests.fuzz.target_input import (
    DEALS,
    DELETED,
    KEY,
    ROLES,
    UNKNOWN_PERSON,
    Message,
    Record,
)
from tests.pipeline import compare

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fuzz.target_guids import Guids

Key = tuple[t.Any, ...]
Content = dict[str, dict[Key, Record]]

REJECTED, DELETE_DONE, LEFT_ALONE = "rejected", "deleted", "left_alone"
CREATED, UPDATED = "created", "updated"
LONGEST_STAGE = 255


@dataclass
class Rules:
    """Settings of the target and options of the instance that decide outcomes.

    Attributes:
        leads: leads of the instance by id.
        settings: settings of the target.
        exact_keys: whether the instance tells keys apart by case and trailing blanks.
        nameless_inserts: whether the instance creates opportunities without a name.
        knows_persons: whether the instance refuses unknown sales persons.
        keeps_used: whether the instance refuses to delete an opportunity that has roles.
        guids: GUIDs of the records, if the input identifies them by GUID.
    """

    leads: Mapping[int, Record]
    settings: Mapping[str, t.Any]
    exact_keys: bool = False
    nameless_inserts: bool = False
    knows_persons: bool = False
    keeps_used: bool = False
    guids: Guids | None = None

    def fold(self, key: str) -> str:
        """Return a key in the form in which the instance compares it."""
        return key if self.exact_keys else key.rstrip().casefold()

    def dedupe_fields(self, told: Record) -> Record:
        """Return the dedupe fields of a key as it is told in a request or receipt."""
        return self.guids.key(told) if self.guids else told

    def lead_of(self, role: Record) -> int | None:
        """Return the id of the lead that a role is for, or None."""
        if "lead_lookup_field" not in self.settings:
            return t.cast("int", role["leadId"])
        address = role["lead_email"]
        found = sorted(each for each, lead in self.leads.items() if lead["email"] == address)
        how = self.settings.get("lead_lookup_many", "reject")
        if not found or (len(found) > 1 and how == "reject"):
            return None
        return found[-1 if how == "newest" else 0]


@dataclass
class Model:
    """The content of an instance and the outcome of each record, after records sent in turn.

    Args:
        rules: settings and options.
        content: content before the first record; changed.

    Attributes:
        outcomes: outcome of each record, by its number.
        unsure: roles that come between two upserts of a missing opportunity, of which only the
            second is accepted: merging may bring that one before the role.
    """

    rules: Rules
    content: Content
    outcomes: dict[int, str] = field(default_factory=dict)
    unsure: set[Key] = field(default_factory=set)
    _refused: dict[str, set[Key]] = field(default_factory=dict)
    _existing: set[str] = field(default_factory=set)
    _waiting: dict[Key, list[int]] = field(default_factory=dict)
    _messages: Sequence[Message] = ()

    def send_all(self, messages: Sequence[Message], begin: int = 0) -> Model:
        """Send records in turn, from a number on; at the end reject the roles that wait."""
        self._messages = messages
        for number in range(begin, len(messages)):
            if messages[number].stream in {DEALS, ROLES}:
                self._send(number)
        self._reject(list(self._waiting))
        return self

    def _send(self, number: int) -> None:
        stream, record = self._messages[number]
        key = key_of(self.rules, stream, record)
        deletes = is_delete(record)
        if deletes and not self.rules.settings.get("hard_delete"):
            self.outcomes[number] = LEFT_ALONE
        elif key is None or (not deletes and is_invalid(self.rules, record)):
            self.outcomes[number] = REJECTED
        elif deletes:
            self.outcomes[number] = self._deleted(stream, key)
        elif stream == ROLES and self._must_wait(key, record[KEY]):
            self._waiting.setdefault(key, []).append(number)
        else:
            self._write(number, stream, key, record)

    def _must_wait(self, key: Key, sent_id: str) -> bool:
        # The target does not know whether another spelling of an id is the same to the instance.
        is_orphan = self._is_orphan(key) and sent_id not in self._existing
        return key in self._waiting or is_orphan

    def _write(self, number: int, stream: str, key: Key, record: Record) -> None:
        self.outcomes[number] = outcome = self._written(stream, key, record)
        deal = loose(key[0])
        if stream == ROLES and outcome == REJECTED and deal in self._refused:
            self._refused[deal].add(key)
        elif stream == DEALS and outcome == REJECTED:
            if key in self.content[DEALS] and self._creates_only:
                self._release(key[0], record[KEY])
            elif self.rules.settings.get("merge_versions") and key not in self.content[DEALS]:
                self._refused.setdefault(deal, set())
        elif stream == DEALS:
            self.unsure |= self._refused.pop(deal, set())
            self._release(key[0], record[KEY])

    def _release(self, deal: str, sent_id: str) -> None:
        """Send the roles that wait for an opportunity."""
        self._existing.add(sent_id)
        for other in [each for each in self._waiting if each[0] == deal]:
            for each in self._waiting.pop(other):
                self._send(each)

    @property
    def _creates_only(self) -> bool:
        return self.rules.settings.get("action") == "createOnly"

    def _written(self, stream: str, key: Key, record: Record) -> str:
        held = self.content[stream].get(key)
        if self.rules.settings.get("skip_unchanged") and held == self._merged(held or {}, record):
            return UPDATED
        action = self.rules.settings.get("action", "createOrUpdate")
        if action == ("updateOnly" if held is None else "createOnly"):
            return REJECTED
        if stream == ROLES and self._is_orphan(key):
            return REJECTED
        is_stranger = record.get("externalSalesPersonId") == UNKNOWN_PERSON
        if self.rules.knows_persons and is_stranger:
            return REJECTED
        nameless = stream == DEALS and held is None and "name" not in record
        if nameless and not self.rules.nameless_inserts:
            return REJECTED
        self.content[stream][key] = self._merged(held or {}, record)
        return CREATED if held is None else UPDATED

    def _merged(self, held: Record, record: Record) -> Record:
        fields = {
            name: value
            for name, value in record.items()
            if name not in {DELETED, "leadId", "lead_email", "role", KEY}
        }
        if self.rules.settings.get("nulls") == "skip":
            fields = {name: value for name, value in fields.items() if value not in {None, ""}}
        if len(str(fields.get("stage"))) > LONGEST_STAGE:
            fields["stage"] = fields["stage"][:LONGEST_STAGE]
        cleared = {name for name, value in fields.items() if value in {None, ""}}
        kept = {name: value for name, value in held.items() if name not in fields}
        told = {name: value for name, value in fields.items() if name not in cleared}
        return {**kept, **normal(told)}

    def _deleted(self, stream: str, key: Key) -> str:
        alike = [each for each in self._waiting if loose_key(each[: len(key)]) == loose_key(key)]
        self._reject(alike)
        if stream == DEALS:
            self._refused.pop(loose(key[0]), None)
        roles = [each for each in self.content[ROLES] if each[0] == key[0]]
        if stream == DEALS and roles and self.rules.keeps_used:
            return REJECTED
        self.content[stream].pop(key, None)
        for each in roles if stream == DEALS else ():
            del self.content[ROLES][each]
        return DELETE_DONE

    def _is_orphan(self, key: Key) -> bool:
        return key[:1] not in self.content[DEALS] or key[1] not in self.rules.leads

    def _reject(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self.outcomes.update(dict.fromkeys(self._waiting.pop(key), REJECTED))


def loose(key: str) -> str:
    """Return a part of a key in the form in which the target compares it."""
    return key.rstrip().casefold()


def loose_key(key: Key) -> Key:
    return tuple(loose(each) if isinstance(each, str) else each for each in key)


def key_of(rules: Rules, stream: str, record: Record) -> Key | None:
    """Return the key of a record as the instance compares it, or None if a part is missing."""
    if not record.get(KEY):
        return None
    key = rules.fold(record[KEY])
    if stream == DEALS:
        return (key,)
    lead = rules.lead_of(record)
    return (key, lead, rules.fold(record["role"])) if lead and record["role"] else None


def is_delete(record: Record) -> bool:
    """Return whether a record is marked as deleted."""
    return isinstance(record.get(DELETED), str) and record[DELETED][:4] == "2026"


def receipt_key(rules: Rules, stream: str, record: Record) -> Key | None:
    """Return the key that the receipt of a record tells; None if a part of it is missing.

    The lead of a role is only looked up if the role is valid and going to be sent.
    """
    looks_up = stream == ROLES and "lead_lookup_field" in rules.settings
    is_left = is_delete(record) and not rules.settings.get("hard_delete")
    if looks_up and (is_left or is_invalid(rules, record)):
        return None
    return key_of(rules, stream, record)


def is_invalid(rules: Rules, record: Record) -> bool:
    """Return whether a record is rejected whatever the instance holds."""
    too_long = len(str(record.get("stage"))) > LONGEST_STAGE
    return (
        str(record.get("amount")).endswith("much")
        or str(record.get("closeDate")).endswith("soon")
        or str(record.get("isPrimary")).endswith("maybe")
        or record.get(DELETED) is True
        or isinstance(record.get(DELETED), dict)
        or (too_long and not rules.settings.get("truncate_strings"))
    )


def normal(record: Record) -> Record:
    """Return field values in the form in which they are compared."""
    return {
        name: value
        for name, value in (compare.values(record) | _role_values(record)).items()
        if name != KEY
    }


def _role_values(record: Record) -> Record:
    return {"isPrimary": record["isPrimary"]} if record.get("isPrimary") is not None else {}


def content_of(rules: Rules, sandbox: t.Any) -> Content:
    """Return the content of a sandbox's instance."""
    instance = sandbox.instance
    return {
        DEALS: {(rules.fold(each[KEY]),): normal(each) for each in instance.opportunities()},
        ROLES: {
            (rules.fold(each[KEY]), each["leadId"], rules.fold(each["role"])): _role_values(each)
            for each in instance.roles()
        },
    }
