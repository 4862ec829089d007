"""Comparison of the records of two instances by value, without the project's own client."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.instance.values import parse_datetime

if t.TYPE_CHECKING:
    from marketo_sandbox.server.server import SandboxServer

Record = dict[str, t.Any]

KEY = "externalOpportunityId"
_NUMBERS = {"integer", "score", "percent", "float", "currency"}
# Fields that can be copied to another instance: not GUID, dates and CRM-managed fields.
_COPIED_FIELDS = {
    each.name: each for each in OPPORTUNITY.fields if each.updateable or each.name == KEY
}


def values(record: Record) -> Record:
    """Return a stored record's field values, normalized by type and without empty fields."""
    return {
        name: _value(record[name], field.data_type)
        for name, field in _COPIED_FIELDS.items()
        if record.get(name) not in {None, ""}
    }


def by_key(records: t.Iterable[Record]) -> dict[str, Record]:
    """Return the field values of records, by external id."""
    return {record[KEY]: values(record) for record in records}


def held(sandbox: SandboxServer) -> dict[str, Record]:
    """Return the opportunities of an instance, by external id."""
    return by_key(sandbox.instance.opportunities())


def keys_with_a_role(sandbox: SandboxServer) -> set[str]:
    """Return the external ids of the opportunities that have a role."""
    return {role[KEY] for role in sandbox.instance.roles()}


def with_a_role(sandbox: SandboxServer) -> dict[str, Record]:
    """Return the opportunities of an instance that have a role, by external id."""
    keys = keys_with_a_role(sandbox)
    return {key: record for key, record in held(sandbox).items() if key in keys}


def differences(source: t.Mapping[str, Record], destination: t.Mapping[str, Record]) -> list[str]:
    """Return one line for each record that is missing, additional or different in the copy."""
    lacking = [f"{key} is missing" for key in source.keys() - destination.keys()]
    extra = [f"{key} is not in the source" for key in destination.keys() - source.keys()]
    other = [
        f"{key} differs in {', '.join(_differing(source[key], destination[key]))}"
        for key in source.keys() & destination.keys()
        if source[key] != destination[key]
    ]
    return sorted(lacking + extra + other)


def _differing(one: Record, other: Record) -> list[str]:
    names = sorted(one.keys() | other.keys())
    return [
        f"{name} ({one.get(name)!r} became {other.get(name)!r})"
        for name in names
        if one.get(name) != other.get(name)
    ]


def _value(value: t.Any, data_type: str) -> t.Any:
    if data_type in _NUMBERS:
        return Decimal(str(value))
    if data_type == "datetime":
        return parse_datetime(value)
    return value
