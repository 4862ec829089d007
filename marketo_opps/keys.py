"""How keys of records, and names of fields, are compared; pure."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from marketo_opps.numbers import is_missing_number, plain_number

if t.TYPE_CHECKING:
    from collections.abc import Iterable


def comparable_key(value: t.Any) -> str | None:
    """Return a key's value in a form to compare; None if the value is missing or blank.

    Marketo does not document whether keys that differ in case or trailing blanks are different, so
    they count as equal. Leading blanks make a difference. A number equals its text in plain
    notation, because Marketo sends some ids as either.
    """
    if value.__class__ is str:
        return value.rstrip().casefold() or None
    if value is None or is_missing_number(value):
        return None
    return _number_text(value) if isinstance(value, float | Decimal) else str(value).casefold()


def _number_text(number: float | Decimal) -> str:
    try:
        return plain_number(number)
    except ValueError:
        return str(number).casefold()


def lookup_text(value: t.Any) -> str:
    """Return a string or number as the text with which Marketo is queried for it.

    Outer blanks are removed. Numbers are in plain notation. For other values the text is empty.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, bool) or is_missing_number(value):
        return ""
    return _number_text(value) if isinstance(value, int | float | Decimal) else ""


def comparable_name(name: str) -> str:
    """Return a name of a field or column for comparison: lower case, without underscores."""
    return name.replace("_", "").casefold()


def keys_not_among(found: set[str | None], keys: Iterable[str]) -> list[str]:
    """Return those of the looked-up keys that none of the found records has.

    Args:
        found: values of the key field in Marketo's records.
        keys: keys that were looked up.
    """
    missing = [key for key in keys if key not in found]
    if not missing:
        return []
    forms = set(map(comparable_key, found))
    return [key for key in missing if comparable_key(key) not in forms]
