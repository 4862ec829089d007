"""Finds the names that a misspelt name may stand for, for error messages; pure."""

from __future__ import annotations

import difflib
import typing as t

from marketo_opps.keys import comparable_name

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 3
_LIKENESS = 0.6


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are spelt most like `name`, the most similar first."""
    by_form = {comparable_name(each): each for each in names}
    forms = difflib.get_close_matches(comparable_name(name), by_form, n=_MOST, cutoff=_LIKENESS)
    return [by_form[form] for form in forms]


def or_near(name: str, names: Iterable[str]) -> str:
    """Return a misspelt name in quotes, followed by similar `names` in parentheses, if any."""
    near = near_names(name, names)
    return f"'{name}' (near: {listed(near)})" if near else f"'{name}'"


def listed(names: Iterable[str]) -> str:
    """Return the names in quotes, separated by commas."""
    return ", ".join(f"'{name}'" for name in names)
