"""Resolve the properties of a stream to Marketo fields."""

from __future__ import annotations

import typing as t

from marketo_opps import FieldDescription
from marketo_opps.field_writers import writer
from marketo_opps.fields import CREATED_AT, EXTERNAL_ID, MARKETO_GUID, UPDATED_AT
from marketo_opps.keys import comparable_name
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.keys import key_fields, trimming

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import ObjectDescription
    from target_marketo_opps.settings import TargetSettings

_MANAGED_FIELDS = frozenset({CREATED_AT, UPDATED_AT, MARKETO_GUID})
_LOOSE_MANAGED_FIELDS = frozenset(map(comparable_name, _MANAGED_FIELDS))

FieldWriter = tuple[str, t.Callable[[t.Any], t.Any]]
"""A field's name, and the function that converts a property's value for it."""


class FieldPlan:
    """Which field each property of a stream is written to, and how.

    Args:
        stream: its name, for error texts.
        properties: the names of the schema's properties.
        description: of the object that the stream is written to.
        settings: the target's settings.
        warn: takes one sentence about properties that are left out.

    Attributes:
        key_fields: the fields that identify a record.
        fields: all fields of the object.
        writers: property names to field writers; None for a property that is left out.
        unknown: properties that the instance has no field for.

    Raises:
        UnwritableStreamError: two properties map to one field, or a key field has no property.
    """

    def __init__(
        self,
        stream: str,
        properties: Iterable[str],
        *,
        description: ObjectDescription,
        settings: TargetSettings,
        warn: Callable[[str], None],
    ) -> None:
        self.key_fields = key_fields(description, settings.dedupe_by)
        self.fields = _fields(description)
        self.writers: dict[str, FieldWriter | None] = {}
        self.unknown: list[str] = []
        self._stream = stream
        self._settings = settings
        self._warn = warn
        self._unwritable: list[str] = []
        self._property_of: dict[str, str] = {}
        for name in properties:
            self._resolve(name)
        self._check_key()
        self._warn_left_out(self.unknown, self._unwritable)

    def property_of(self, field: str) -> str | None:
        """Return the property that is written to a field, or None."""
        return self._property_of.get(field)

    @property
    def key_properties(self) -> list[str]:
        """Return the properties that are written to the key fields."""
        return [self._property_of[field] for field in self.key_fields]

    def resolve_late(self, name: str) -> FieldWriter | None:
        """Return the writer of a property that the schema lacks and a record has."""
        unknown, unwritable = len(self.unknown), len(self._unwritable)
        resolved = self._resolve(name)
        self._warn_left_out(self.unknown[unknown:], self._unwritable[unwritable:])
        return resolved

    def _resolve(self, name: str) -> FieldWriter | None:
        field = None if name.startswith("_sdc_") or name == "seq" else self._field(name)
        resolved = self._field_writer(name, field) if field is not None else None
        self.writers[name] = resolved
        return resolved

    def _field_writer(self, name: str, field: FieldDescription) -> FieldWriter | None:
        is_key = field.name in self.key_fields
        if field.name == EXTERNAL_ID or is_key or _is_writable(field):
            self._claim(name, field)
        if is_key:
            # Two long keys cut to one length could become the same.
            write = writer(field, truncate_strings=False)
            return field.name, trimming(write) if field.name == MARKETO_GUID else write
        if _is_writable(field):
            return field.name, writer(field, truncate_strings=self._settings.truncate_strings)
        if field.name not in _MANAGED_FIELDS:
            self._unwritable.append(name)
        return None

    def _claim(self, name: str, field: FieldDescription) -> None:
        other = self._property_of.setdefault(field.name, name)
        if other != name:
            raise UnwritableStreamError(
                f"Stream '{self._stream}': the properties '{other}' and '{name}' are both "
                f"Marketo's field {field.name}. Leave one of them out, by stream_maps for example.",
            )

    def _field(self, name: str) -> FieldDescription | None:
        """Return the field of that name: exactly, or ignoring case and underscores."""
        matches = [field for field in self.fields if field.name == name]
        wanted = comparable_name(name)
        matches = matches or [
            field for field in self.fields if comparable_name(field.name) == wanted
        ]
        if len(matches) > 1:
            raise UnwritableStreamError(
                f"Stream '{self._stream}': the property '{name}' may be Marketo's field "
                f"{' or '.join(field.name for field in matches)}. Name it exactly, by stream_maps "
                "for example.",
            )
        if not matches and wanted not in _LOOSE_MANAGED_FIELDS:
            self.unknown.append(name)
        return matches[0] if matches else None

    def _check_key(self) -> None:
        missing = [field for field in self.key_fields if field not in self._property_of]
        if missing:
            raise UnwritableStreamError(
                f"Stream '{self._stream}' has no property for {' and '.join(missing)}, so its "
                "records cannot be told apart in Marketo. Add it, by stream_maps for example, or "
                "set the stream to 'ignore' in stream_objects.",
            )

    def _warn_left_out(self, unknown: list[str], unwritable: list[str]) -> None:
        if unknown and self._settings.unknown_fields == "warn":
            self._warn(
                f"Stream '{self._stream}': the instance has no field for {_listed(unknown)}; left "
                "out. See the setting unknown_fields.",
            )
        if unwritable:
            self._warn(
                f"Stream '{self._stream}': Marketo says that {_listed(unwritable)} cannot be "
                "updated; left out.",
            )


def _fields(description: ObjectDescription) -> tuple[FieldDescription, ...]:
    """Return the object's fields and its id, which describe does not always list for roles."""
    if description.field(description.id_field) is not None:
        return description.fields
    id_field = FieldDescription(description.id_field, description.id_field, "string")
    return (*description.fields, id_field)


def _is_writable(field: FieldDescription) -> bool:
    return field.updateable and field.name not in _MANAGED_FIELDS


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
