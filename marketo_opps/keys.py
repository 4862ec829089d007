"""How keys of records, and names of fields, are compared; pure."""

from __future__ import annotations

import typing as t


def comparable_key(value: t.Any) -> str | None:
    """Return the form in which a key's value is compared; None for a missing or blank one.

    Whether Marketo tells keys apart by case or by trailing blanks is not documented: two that may
    be the same record are treated as one. Blanks at the start count. A number equals its text, for
    Marketo sends some ids as either.
    """
    return None if value is None else str(value).rstrip().casefold() or None


def comparable_name(name: str) -> str:
    """Return the form in which names of fields, properties and columns are compared."""
    return name.replace("_", "").casefold()
