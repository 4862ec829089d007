"""Type checks for the parameters of control calls and the members of fault rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class ValueType:
    """A condition on JSON values, such as "an integer of at least 1", with its description.

    Attributes:
        description: description of the type in an error message, after the words "must be".
        accepts: function that returns True for a value that meets the condition.
    """

    description: str
    accepts: Callable[[Any], bool]


def number(least: float, most: float) -> ValueType:
    """Return a value type that accepts numbers from ``least`` to ``most``, both included."""
    return ValueType(
        f"a number from {least:,} to {most:,}",
        lambda value: type(value) in {int, float} and least <= value <= most,
    )


def integer(least: int, most: int = MAX_ID) -> ValueType:
    """Return a value type that accepts integers from ``least`` to ``most``, both included."""
    bounds = f"of at least {least}" if most == MAX_ID else f"from {least} to {most:,}"
    return ValueType(
        f"an integer {bounds}", lambda value: type(value) is int and least <= value <= most
    )


def one_of(*values: str) -> ValueType:
    """Return a value type that accepts only the given strings."""
    return ValueType(
        f"one of {', '.join(values)}", lambda value: type(value) is str and value in values
    )


def optional(value_type: ValueType) -> ValueType:
    """Return a value type that accepts null and every value that the given value type accepts."""
    return ValueType(
        f"{value_type.description}, or null",
        lambda value: value is None or value_type.accepts(value),
    )


def list_of(value_type: ValueType) -> ValueType:
    """Return a value type that accepts lists of values that the given value type accepts."""
    return ValueType(
        f"a list in which every element is {value_type.description}",
        lambda value: type(value) is list and all(map(value_type.accepts, value)),
    )


NUMBER = ValueType("a number", lambda value: type(value) in {int, float})
TEXT = ValueType("a string", lambda value: type(value) is str)
OBJECT = ValueType("an object", lambda value: type(value) is dict)
FLAG = ValueType("true or false", lambda value: type(value) is bool)
ANYTHING = ValueType("anything", lambda _value: True)
TEXTS = ValueType(
    "an object in which every value is a string or null",
    lambda value: (
        type(value) is dict and {type(each) for each in value.values()} <= {str, type(None)}
    ),
)


def validate(types: Mapping[str, ValueType], values: Mapping[str, Any]) -> None:
    """Check the parameters of a control call, or the members of a fault rule.

    Each name must be one of the allowed names, and each value must have the type of its name.

    Args:
        types: the allowed names, each with its type.
        values: the values to check, by name.

    Raises:
        ValueError: for the first name that is not allowed or value of a wrong type.
    """
    for name, value in values.items():
        if name not in types:
            known = f"must be one of {', '.join(sorted(types))}" if types else "there are none here"
            raise ValueError(f"unknown member '{name}': {known}")
        if not types[name].accepts(value):
            raise ValueError(f"{name} must be {types[name].description} (got {value!r})")
