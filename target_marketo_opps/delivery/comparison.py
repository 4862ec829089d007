"""Compare records with those in Marketo; no I/O."""

from __future__ import annotations

import typing as t

from marketo_opps.fields import reader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_opps import ObjectDescription, Record


class Comparison:
    """Compares the fields of a record to write with those of the record in Marketo.

    Numbers are compared by value, date-times by moment and to the second, strings without trailing
    blanks. Null, absent and empty values are equal.

    Args:
        description: the object's description.
        key_fields: not compared, because the record was found by them.
    """

    def __init__(self, description: ObjectDescription, key_fields: Sequence[str]) -> None:
        self._readers: dict[str, Callable[[t.Any], t.Any]] = {
            field.name: reader(field)
            for field in description.fields
            if field.name not in key_fields
        }

    def is_unchanged(self, ours: Record, theirs: Mapping[str, t.Any]) -> bool:
        """Return whether writing the fields `ours` over the stored `theirs` changes nothing."""
        return not self.changes(ours, theirs)

    def changes(self, ours: Record, theirs: Mapping[str, t.Any]) -> dict[str, tuple[t.Any, t.Any]]:
        """Return the fields of the stored record `theirs` that writing `ours` would change.

        Returns:
            The old and the new value of each changed field, as Marketo stores them, by field name.
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
