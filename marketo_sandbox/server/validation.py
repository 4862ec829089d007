"""What the members of an order may be: looked at when it is taken, not when a call meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        said: in words, as they stand after "must be".
        fits: whether a value is one.
    """

    said: str
    fits: Callable[[Any], bool]


def number(least: float, most: float) -> Kind:
    """A number within bounds."""
    return Kind(
        f"a number from {least:,} to {most:,}",
        lambda value: type(value) in {int, float} and least <= value <= most,
    )


def whole(least: int, most: int = MAX_ID) -> Kind:
    """A whole number within bounds."""
    bounds = f"from {least} on" if most == MAX_ID else f"from {least} to {most:,}"
    return Kind(
        f"a whole number {bounds}", lambda value: type(value) is int and least <= value <= most
    )


def one_of(*values: str) -> Kind:
    """One of some texts."""
    return Kind(" or ".join(values), lambda value: type(value) is str and value in values)


def optional(kind: Kind) -> Kind:
    """That or nothing."""
    return Kind(f"{kind.said}, or null", lambda value: value is None or kind.fits(value))


def list_of(kind: Kind) -> Kind:
    """A list of such."""
    return Kind(
        f"a list, and each of it {kind.said}",
        lambda value: type(value) is list and all(map(kind.fits, value)),
    )


TEXT = Kind("a text", lambda value: type(value) is str)
OBJECT = Kind("an object", lambda value: type(value) is dict)
FLAG = Kind("true or false", lambda value: type(value) is bool)


def check(kinds: Mapping[str, Kind], values: Mapping[str, Any]) -> None:
    """Look at values by their names.

    Raises:
        ValueError: for the first that is not of its kind, or has a name without one.
    """
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(f"{name} is none of {', '.join(sorted(kinds))}")
        if not kinds[name].fits(value):
            raise ValueError(f"{name} must be {kinds[name].said}, not {value!r}")
