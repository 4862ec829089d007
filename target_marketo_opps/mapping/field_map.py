"""Apply the setting `field_map` to one stream, and validate it."""

from __future__ import annotations

import typing as t
from collections import Counter

from marketo_opps.keys import comparable_name
from marketo_opps.near_names import example_setting, listed, near_names, or_near, quoted
from target_marketo_opps.errors import UnwritableStreamError

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_MOST_LISTED = 30


class FieldMap:
    """Renames the properties of a stream by `field_map`, before they are matched with fields.

    Args:
        stream: name of the stream, for error messages.
        names: API names of Marketo fields, by property name.
    """

    def __init__(self, stream: str, names: Mapping[str, str]) -> None:
        self._stream = stream
        self._names = names

    def renamed(self, name: str) -> str:
        """Return the field name for a property in `field_map`, or else the property's own name."""
        return self._names.get(name, name)

    def check(self, properties: Collection[str], fields: Collection[str]) -> None:
        """Raise an error if `field_map` names an unknown property or field, or a field twice.

        Args:
            properties: names of the properties in the schema.
            fields: names of the object's fields.

        Raises:
            UnwritableStreamError: the setting names a property or field that does not exist, or one
                field for two properties.
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
                rivals = [quoted(name) for name in properties if self.renamed(name) == field]
                yield f"{' and '.join(rivals)} both map to field '{field}'"


def key_advice(stream: str, missing: Iterable[str], properties: Collection[str]) -> str:
    """Return advice to map missing key fields in `field_map`, with the stream's properties."""
    example = example_setting({stream: {_likely(field, properties): field for field in missing}})
    has = listed([*properties][:_MOST_LISTED]) or "none"
    if len(properties) > _MOST_LISTED:
        has += f" and {len(properties) - _MOST_LISTED:,} more"
    return f"Map the key in field_map, as in {example} (properties of the stream: {has})."


def _likely(field: str, properties: Collection[str]) -> str:
    """Return the property that probably holds a missing key field: a similar name, or else any id.

    It is an example in an error message; '...' if no property is likely.
    """
    ids = filter(_may_be_id, properties if _may_be_id(field) else ())
    return next(iter([*near_names(field, properties), *ids]), "...")


def _may_be_id(name: str) -> bool:
    return comparable_name(name).endswith("id")
