"""Compare records with what Marketo holds; pure."""

from __future__ import annotations

import typing as t

from marketo_opps.fields import reader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_opps import ObjectDescription, Record


class Comparison:
    """Compares records with those that Marketo holds, by the values that Marketo stores.

    Numbers count by their value, date-times to the second and by their moment, strings without
    trailing blanks; null, absent and empty are one.

    Args:
        description: the object's description.
        key_fields: left out of the comparison, for the record was found by them.
    """

    def __init__(self, description: ObjectDescription, key_fields: Sequence[str]) -> None:
        self._readers: dict[str, Callable[[t.Any], t.Any]] = {
            field.name: reader(field)
            for field in description.fields
            if field.name not in key_fields
        }

    def is_unchanged(self, ours: Record, theirs: Mapping[str, t.Any]) -> bool:
        """Return whether writing `ours` over `theirs` would change nothing."""
        return not self.changes(ours, theirs)

    def changes(self, ours: Record, theirs: Mapping[str, t.Any]) -> dict[str, tuple[t.Any, t.Any]]:
        """Return the fields that writing `ours` over `theirs` would change.

        Returns:
            Field names to the values before and after, as Marketo stores them.
        """
        stored = {
            name: (self._stored(name, theirs.get(name)), self._stored(name, value))
            for name, value in ours.items()
            if name in self._readers
        }
        return {name: (old, new) for name, (old, new) in stored.items() if old != new}

    def _stored(self, name: str, value: t.Any) -> t.Any:
        if value is None:
            return None
        try:
            stored = self._readers[name](value)
        except ValueError:
            return value
        return (stored.rstrip() or None) if isinstance(stored, str) else stored
