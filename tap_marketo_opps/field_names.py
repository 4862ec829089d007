"""Translation of field names in the activity log to API names; pure."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LENGTH = re.compile(r" \(up to [0-9]+ characters\)$", re.ASCII)


class FieldNames:
    """Translates field names in the activity log to API names.

    The log names a field by its API name or by its display name. A display name that several fields
    of one object share is not translated, because it is ambiguous. If fields of two objects have
    the same name, the field of the first object counts.

    Args:
        objects: For each object, the JSON schemas of its properties by API name.
    """

    def __init__(self, objects: Iterable[Mapping[str, Mapping[str, t.Any]]]) -> None:
        self._names: dict[str, str] = {}
        for properties in objects:
            for names in (_by_api_name(properties), _by_display_name(properties)):
                self._names = names | self._names

    def api_name(self, logged: str) -> str:
        """Return the API name of a field, given its name in the activity log.

        Return the given name if it is unknown.
        """
        return self._names.get(_comparable(logged), logged)


def _by_api_name(fields: Iterable[str]) -> dict[str, str]:
    return {_comparable(name): name for name in fields}


def _by_display_name(fields: Mapping[str, Mapping[str, t.Any]]) -> dict[str, str]:
    shown = {
        name: _display_name(str(description))
        for name, schema in fields.items()
        if (description := schema.get("description"))
    }
    counts = Counter(shown.values())
    return {display: name for name, display in shown.items() if display and counts[display] == 1}


def _display_name(description: str) -> str:
    """Return a field's display name, with which the description in its JSON schema begins.

    It is returned in lower case and without the length that the description may contain.
    """
    return _comparable(_LENGTH.sub("", description))


def _comparable(name: str) -> str:
    return name.strip().casefold()
