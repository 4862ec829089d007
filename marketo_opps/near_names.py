"""Names in error messages: in quotes, and with those that a misspelt name may stand for; pure."""

from __future__ import annotations

import difflib
import json
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
    return f"{quoted(name)} (near: {listed(near)})" if near else quoted(name)


def listed(names: Iterable[str]) -> str:
    """Return the names in quotes, separated by commas."""
    return ", ".join(map(quoted, names))


def quoted(name: str) -> str:
    """Return a name in quotes, with characters that cannot be seen as JSON escapes.

    The first column of a CSV file may begin with a byte order mark: without the escape, the message
    would show a name that looks like the right one.
    """
    return f"'{_visible(name)}'"


def example_setting(value: object) -> str:
    """Return an example of a setting as JSON, to be copied from an error message."""
    return _visible(json.dumps(value, ensure_ascii=False))


def _visible(text: str) -> str:
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    return character if character.isprintable() else f"\\u{ord(character):04x}"
