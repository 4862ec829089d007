"""The setting `field_map` for one stream: what it renames, and what of it cannot be right."""

from __future__ import annotations

import json
import typing as t
from collections import Counter

from marketo_opps.keys import comparable_name
from marketo_opps.near_names import near_names, or_near
from target_marketo_opps.errors import UnwritableStreamError

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_MOST_LISTED = 30


class FieldMap:
    """Renames the properties of a stream, before their names are matched.

    Args:
        stream: its name, for error texts.
        names: property names to Marketo's API names.
    """

    def __init__(self, stream: str, names: Mapping[str, str]) -> None:
        self._stream = stream
        self._names = names

    def renamed(self, name: str) -> str:
        """Return the name under which a property is matched."""
        return self._names.get(name, name)

    def check(self, properties: Collection[str], fields: Collection[str]) -> None:
        """Raise if the map does not fit the stream and the object.

        Args:
            properties: the names of the schema's properties.
            fields: the names of the object's fields.

        Raises:
            UnwritableStreamError: it names what is not there, or one field twice.
        """
        faults = [*self._faults(properties, fields)] if self._names else []
        if faults:
            raise UnwritableStreamError(
                f"Stream '{self._stream}': invalid field_map: {'; '.join(faults)}."
            )

    def _faults(self, properties: Collection[str], fields: Collection[str]) -> Iterator[str]:
        for name, field in self._names.items():
            if name not in properties:
                yield f"the SCHEMA has no property {or_near(name, properties)}"
            if field not in fields:
                yield f"the object has no field {or_near(field, fields)}"
        counts = Counter(map(self.renamed, properties))
        for field in dict.fromkeys(self._names.values()):
            if counts[field] > 1:
                rivals = [f"'{name}'" for name in properties if self.renamed(name) == field]
                yield f"{' and '.join(rivals)} both map to field '{field}'"


def key_advice(stream: str, missing: Iterable[str], properties: Collection[str]) -> str:
    """Return a sentence that says how a stream gets its key, with what its SCHEMA offers."""
    example = json.dumps({stream: {_likely(field, properties): field for field in missing}})
    has = ", ".join(f"'{name}'" for name in [*properties][:_MOST_LISTED]) or "none"
    if len(properties) > _MOST_LISTED:
        has += f" and {len(properties) - _MOST_LISTED:,} more"
    return f"Map the key in field_map, as in {example} (properties of the stream: {has})."


def _likely(field: str, properties: Collection[str]) -> str:
    """Return the property that is spelt most like a field; of an id, one that is called an id."""
    ids = filter(_may_be_id, properties if _may_be_id(field) else ())
    return next(iter([*near_names(field, properties), *ids]), "...")


def _may_be_id(name: str) -> bool:
    return comparable_name(name).endswith("id")
