"""JSON numbers as text in plain notation, without trailing zeros; pure."""

from __future__ import annotations

import math
import typing as t
from decimal import Decimal

_MOST_DIGITS = 400
"""More digits than a floating point number can have, and too few to fill the memory."""


def is_missing_number(value: t.Any) -> bool:
    """Return whether a value is NaN or infinite, which JSON cannot hold: it counts as null."""
    if value.__class__ is float:
        return not math.isfinite(value)
    return value.__class__ is Decimal and not value.is_finite()


def plain_number(number: float | Decimal) -> str:
    """Return a finite number in plain notation, without exponent and trailing zeros.

    Raises:
        ValueError: it has over 400 digits.
    """
    exact = number if isinstance(number, Decimal) else Decimal(str(number))
    if not -_MOST_DIGITS < exact.adjusted() < _MOST_DIGITS:
        raise ValueError("it is a number that is too large")
    text = format(exact, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
