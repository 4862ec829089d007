"""Validation of the members of a control call's body, before anything is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class ValueType:
    """A type that a member may be required to have.

    Attributes:
        description: in words, as they stand after "must be".
        accepts: returns True for a value of this type.
    """

    description: str
    accepts: Callable[[Any], bool]


def number(least: float, most: float) -> ValueType:
    """Return the type of numbers within bounds."""
    return ValueType(
        f"a number from {least:,} to {most:,}",
        lambda value: type(value) in {int, float} and least <= value <= most,
    )


def integer(least: int, most: int = MAX_ID) -> ValueType:
    """Return the type of integers within bounds."""
    bounds = f"from {least} on" if most == MAX_ID else f"from {least} to {most:,}"
    return ValueType(
        f"a whole number {bounds}", lambda value: type(value) is int and least <= value <= most
    )


def one_of(*values: str) -> ValueType:
    """Return the type of an enumeration of texts."""
    return ValueType(" or ".join(values), lambda value: type(value) is str and value in values)


def optional(value_type: ValueType) -> ValueType:
    """Return a type that accepts null as well."""
    return ValueType(
        f"{value_type.description}, or null",
        lambda value: value is None or value_type.accepts(value),
    )


def list_of(value_type: ValueType) -> ValueType:
    """Return the type of lists whose members have a type."""
    return ValueType(
        f"a list, and each of it {value_type.description}",
        lambda value: type(value) is list and all(map(value_type.accepts, value)),
    )


TEXT = ValueType("a text", lambda value: type(value) is str)
OBJECT = ValueType("an object", lambda value: type(value) is dict)
FLAG = ValueType("true or false", lambda value: type(value) is bool)
ANYTHING = ValueType("anything", lambda _value: True)
TEXTS = ValueType(
    "an object, and each of its members a text or null",
    lambda value: (
        type(value) is dict and {type(each) for each in value.values()} <= {str, type(None)}
    ),
)


def validate(types: Mapping[str, ValueType], values: Mapping[str, Any]) -> None:
    """Check values against the types of their names.

    Raises:
        ValueError: for the first value not of its type, or whose name has none.
    """
    for name, value in values.items():
        if name not in types:
            raise ValueError(f"{name} is none of {', '.join(sorted(types))}")
        if not types[name].accepts(value):
            raise ValueError(f"{name} must be {types[name].description}, not {value!r}")
