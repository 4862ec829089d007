"""Random input of a target: messages of deals and their roles, and the leads that they name."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from tests.fuzz.runs import MARK

if t.TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

Record = dict[str, t.Any]

KEY, GUID, DELETED = "externalOpportunityId", "marketoGUID", "_sdc_deleted_at"
DEALS, ROLES, OTHER = "deals", "contacts", "invoices"
OBJECTS = {DEALS: "opportunities", ROLES: "opportunity_roles", OTHER: "ignore"}
KNOWN_PERSON, UNKNOWN_PERSON = "person-1", "person-2"
FIRST_LEAD = 1_000
ROLE_NAMES = ("Buyer", "User")


class Message(t.NamedTuple):
    """A record of the input, or a STATE if it has no stream."""

    stream: str
    record: Record


@dataclass
class Shape:
    """What the records of one input have in common.

    Attributes:
        keys: external ids of the deals.
        nameless: those of them that have one record, without a name.
        strangers: those of them whose records name an unknown sales person, if they name any.
        addresses: e-mail addresses of the roles' leads; empty if roles have lead ids.
        leads: ids of the roles' leads.
        stored_roles: roles of the instance, if every role of the input is one of them.
        roles: probability that a record is a role.
        deletes: probability that a record is a delete.
        bad: probability that a record is invalid.
        misspelled: probability that the key of a record has other capitals or a trailing blank.
    """

    keys: Sequence[str]
    nameless: frozenset[str]
    strangers: frozenset[str]
    addresses: Sequence[str | None]
    leads: Sequence[int]
    stored_roles: Sequence[Record]
    roles: float
    deletes: float
    bad: float
    misspelled: float


def draw_leads(dice: random.Random) -> list[Record]:
    """Return new leads, two of which share an address."""
    count = dice.randrange(2, 9)
    names = [f"p{number}" for number in range(count)]
    names[-1] = names[0] if dice.random() < 0.7 else names[-1]
    return [
        {"id": FIRST_LEAD + number, "email": f"{name}.{MARK}@example.com"}
        for number, name in enumerate(names)
    ]


def draw_shape(
    dice: random.Random,
    leads: Sequence[Record],
    stored: Sequence[str],
    stored_roles: Sequence[Record] = (),
) -> Shape:
    """Return the shape of an input.

    Args:
        dice: random source.
        leads: leads of the instance.
        stored: external ids of the deals in the instance.
        stored_roles: roles of the instance, if records are identified by GUID: then a delete of a
            deal and a change of its role have no order, so that an input has either.
    """
    count = dice.choice([3, 10, 40, 200])
    keys = [f"D-{number}" for number in range(count)]
    keys += dice.sample(list(stored), min(len(stored), dice.randrange(8)))
    by_address = dice.random() < 0.4 and not stored_roles
    deletes = dice.choice([0.0, 0.0, 0.05, 0.2])
    return Shape(
        keys=keys,
        nameless=frozenset(dice.sample(keys, 1 if dice.random() < 0.4 else 0)),
        strangers=frozenset(dice.sample(keys, count // 8)),
        addresses=[*(lead["email"] for lead in leads), f"nobody.{MARK}@example.com", None]
        if by_address
        else (),
        leads=[*(lead["id"] for lead in leads), FIRST_LEAD + 99],
        stored_roles=stored_roles,
        roles=dice.choice([0.0, 1.0 if deletes else 0.5]) if stored_roles else 0.35,
        deletes=deletes,
        bad=dice.choice([0.0, 0.02, 0.1]),
        misspelled=0.1,
    )


def draw_input(dice: random.Random, shape: Shape) -> list[Message]:
    """Return records, with a STATE after some of them."""
    length = dice.choice([12, 40, 120, 400])
    hot = dice.sample(list(shape.keys), min(2, len(shape.keys)))
    heat = dice.choice([0.0, 0.3, 0.9])
    state_odds = dice.choice([0.03, 0.2, 0.5])
    used: set[str] = set()
    messages: list[Message] = []
    for _ in range(length):
        key = dice.choice(hot) if dice.random() < heat else dice.choice(shape.keys)
        if key in shape.nameless and key in used:
            continue
        used.add(key)
        messages.append(_draw_message(dice, shape, key))
        if dice.random() < state_odds:
            messages.append(Message("", {}))
    return messages


def _draw_message(dice: random.Random, shape: Shape, key: str) -> Message:
    if dice.random() < 0.03:
        return Message(OTHER, {KEY: key, "name": f"{MARK} invoice"})
    others = [key.lower(), f"{key} ", key.upper()]
    spelled = dice.choice(others) if dice.random() < shape.misspelled else key
    if dice.random() < shape.roles and key not in shape.nameless:
        return Message(ROLES, _draw_role(dice, shape, spelled))
    return Message(DEALS, _draw_deal(dice, shape, key, spelled))


def _draw_role(dice: random.Random, shape: Shape, key: str) -> Record:
    role: Record = {KEY: key, "leadId": dice.choice(shape.leads), "role": dice.choice(ROLE_NAMES)}
    if shape.stored_roles and dice.random() < 0.9:
        stored = dice.choice(shape.stored_roles)
        role = {name: stored[name] for name in role}
    if shape.addresses:
        role["lead_email"] = dice.choice(shape.addresses)
    if dice.random() < shape.deletes:
        return {**role, DELETED: "2026-01-01T00:00:00Z"}
    if dice.random() < 0.7:
        role["isPrimary"] = dice.random() < 0.5
    if dice.random() < shape.bad:
        role |= dice.choice([{"isPrimary": f"{MARK} maybe"}, {"role": None}, {DELETED: True}])
    return role


def _draw_deal(dice: random.Random, shape: Shape, key: str, spelled: str) -> Record:
    if dice.random() < shape.deletes:
        return {KEY: spelled, DELETED: dice.choice(["2026-01-01T00:00:00Z", "2026-01-01"])}
    deal: Record = {KEY: spelled, "name": f"{MARK} {dice.randrange(99)}", **_draw_values(dice)}
    if key in shape.nameless:
        del deal["name"]
    if dice.random() < 0.2:
        person = UNKNOWN_PERSON if key in shape.strangers else KNOWN_PERSON
        deal["externalSalesPersonId"] = person
    if dice.random() < shape.bad:
        deal |= dice.choice(
            [
                {"amount": f"{MARK} much"},
                {"closeDate": f"{MARK} soon"},
                {KEY: None},
                {"stage": MARK * 100},
                {DELETED: True},
                {DELETED: {"at": MARK}},
            ]
        )
    if dice.random() < 0.1:
        deal[DELETED] = dice.choice([None, False, "", 0, "0"])
    return deal


def _draw_values(dice: random.Random) -> Record:
    values: Record = {
        "stage": dice.choice([f"{MARK} open", f"{MARK} 受注", None, ""]),
        "amount": dice.choice([dice.randrange(10**6), dice.randrange(10**6) / 100, "12.50", None]),
        "probability": dice.randrange(101),
        "closeDate": f"2026-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
        "isClosed": dice.random() < 0.5,
        "nextStep": dice.choice([None, f'{MARK} "next"\nstep', f"{MARK} 🚀"]),
        "lastTouchedAt": f"2026-03-{dice.randint(1, 28):02d}T10:20:30Z",
        "notes": f"{MARK} " * dice.choice([1, 1, 1, 900]),
        "margin": dice.choice(["0.125", -3.5, "12345678.87654321"]),
    }
    return {name: values[name] for name in values if dice.random() < 0.35}


def snake(name: str) -> str:
    """Return a name of Marketo as a CRM's table spells it."""
    return re.sub("(?<=[a-z])([A-Z])", r"_\1", name).lower()


def rename(record: Record, field_map: Mapping[str, str]) -> Record:
    """Return a record with the property names of a tap.

    Args:
        record: the record, with Marketo's names.
        field_map: property names to Marketo's names; empty for a tap with Marketo's names. All
            other properties of a tap with a field map are in snake case.
    """
    if not field_map:
        return record
    names = {field: name for name, field in field_map.items()}
    return {names.get(name, snake(name)): value for name, value in record.items()}


def to_lines(
    messages: Sequence[Message], begin: int, field_maps: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the input from a message on, as Singer messages whose STATEs count messages.

    Args:
        messages: the whole input.
        begin: number of messages to leave out.
        field_maps: stream names to field maps; see `rename`.
    """
    by_guid = any(GUID in record for _, record in messages)
    schemas = [_schema(each, field_maps.get(each, {}), by_guid=by_guid) for each in OBJECTS]
    lines = [json.dumps(schema) for schema in schemas]
    for number, (stream, record) in enumerate(messages[begin:], begin + 1):
        if stream:
            renamed = rename(record, field_maps.get(stream, {}))
            lines.append(json.dumps({"type": "RECORD", "stream": stream, "record": renamed}))
        else:
            lines.append(json.dumps({"type": "STATE", "value": {"before": number}}))
    lines.append(json.dumps({"type": "STATE", "value": {"before": len(messages)}}))
    return "".join(f"{line}\n" for line in lines)


def _schema(stream: str, field_map: Mapping[str, str], *, by_guid: bool) -> Record:
    names = {
        DEALS: [
            *(KEY, "name", "stage", "amount", "probability", "closeDate", "isClosed", "nextStep"),
            *("lastTouchedAt", "notes", "margin", "externalSalesPersonId", DELETED),
        ],
        ROLES: [KEY, "leadId", "lead_email", "role", "isPrimary", DELETED],
        OTHER: [KEY, "name"],
    }
    told = [GUID, *names[stream][1:]] if by_guid else names[stream]
    properties = rename({name: {} for name in told}, field_map)
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}}
