"""Decide which Marketo field each property of a stream is written to."""

from __future__ import annotations

import typing as t

from marketo_opps import FieldDescription, Reason
from marketo_opps.field_writers import writer
from marketo_opps.fields import CREATED_AT, EXTERNAL_ID, MARKETO_GUID, UPDATED_AT
from marketo_opps.keys import comparable_name
from marketo_opps.near_names import example_setting, listed
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.field_map import FieldMap, key_advice
from target_marketo_opps.mapping.keys import key_fields, trimming
from target_marketo_opps.mapping.mapped_record import INVALID_DATA

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from marketo_opps import ObjectDescription
    from marketo_opps.models import Record
    from target_marketo_opps.mapping.lead_properties import LeadProperties
    from target_marketo_opps.mapping.stream_notes import StreamNotes
    from target_marketo_opps.settings import TargetSettings

_MANAGED_FIELDS = frozenset({CREATED_AT, UPDATED_AT, MARKETO_GUID})
_LOOSE_MANAGED_FIELDS = frozenset(map(comparable_name, _MANAGED_FIELDS))

FieldWriter = tuple[str, t.Callable[[t.Any], t.Any]]
"""Name of a field, and the function that converts a value for it."""


class FieldPlan:
    """The Marketo field of each property of a stream, and the conversion of its values.

    Args:
        stream: name of the stream, for error messages.
        properties: names of the properties in the schema.
        description: description of the object that the stream is written to.
        settings: the target's settings.
        notes: collects the properties that are not written, for log lines at the end of the run.
        leads: tells which properties are about the lead of a role; None for opportunities.
        is_closed: whether properties that are not in the schema are ignored.

    Attributes:
        key_fields: the fields that identify a record.
        fields: all fields of the object.
        writers: field writer of each property; None for a property that is not written.
        unknown: properties that the instance has no field for.

    Raises:
        UnwritableStreamError: `field_map` is invalid, a property matches several fields, or a key
            field has no property.
    """

    def __init__(
        self,
        stream: str,
        properties: Iterable[str],
        *,
        description: ObjectDescription,
        settings: TargetSettings,
        notes: StreamNotes,
        leads: LeadProperties | None = None,
        is_closed: bool = False,
    ) -> None:
        self.key_fields = key_fields(description, settings.dedupe_by)
        self.fields = _fields(description)
        self.writers: dict[str, FieldWriter | None] = {}
        self.unknown: set[str] = set()
        self._index = _FieldIndex(self.fields)
        self._stream = stream
        self._settings = settings
        self._notes = notes
        self._leads = leads
        self._is_closed = is_closed
        self._schema_properties = tuple(properties)
        self._field_map = FieldMap(stream, settings.field_map.get(stream, {}))
        others = leads.names if leads else ()
        self._field_map.check(self._schema_properties, [*self._index.names, *others])
        # A property with the exact name of the field is first in its list.
        self._properties_of: dict[str, list[str]] = {}
        self._contested: set[str] = set()
        self._ambiguous: dict[str, list[str]] = {}
        for name in self._schema_properties:
            self._resolve(name)
        self._check_ambiguous()
        self._check_key()

    def properties_of(self, field: str) -> list[str]:
        """Return the properties that match a field; one with the field's exact name is first."""
        return self._properties_of.get(field, [])

    def value_of(self, field: str, record: Record) -> t.Any:
        """Return the value that a record has for a Marketo field, not converted; None if absent."""
        for name in self._properties_of.get(field, ()):
            if name in record:
                return record[name]
        return None

    def resolve_new_properties(self, record: Record) -> None:
        """Find the Marketo field of each property of a record that no record had before."""
        for name in record:
            if name not in self.writers:
                if self._is_closed:
                    self.writers[name] = None
                else:
                    self._resolve(name)

    def drop_rivals(self, record: Record) -> tuple[Record, list[Reason]]:
        """Drop each property of a record if another of its properties has its field's exact name.

        Several properties may match one field, because case and underscores in names are ignored.

        Returns:
            The record without these properties; and the reasons to reject the record, which are
            empty if every remaining property matches one field.
        """
        if not self._contested and not self._ambiguous:
            return record, []
        reasons = [*map(self._ambiguity, filter(record.__contains__, self._ambiguous))]
        for field in self._contested:
            rivals = [name for name in self._properties_of[field] if name in record]
            if len(rivals) > 1:
                record = {name: record[name] for name in record if name not in rivals[1:]}
                reasons += self._conflict(field, rivals)
        return record, reasons

    def _ambiguity(self, name: str) -> Reason:
        fields = listed(self._ambiguous[name])
        message = f"Property '{name}' matches fields {fields}: choose one in field_map"
        return Reason(INVALID_DATA, message)

    def _conflict(self, field: str, rivals: list[str]) -> list[Reason]:
        """Return the reason to reject a record in which several properties match one field.

        Args:
            field: name of the field.
            rivals: the properties of the record that match it.

        Returns:
            Empty if one of the properties has the field's exact name, and is therefore written.
        """
        exact = [name for name in rivals if self._field_map.renamed(name) == field]
        if len(exact) == 1:
            self._notes.note_overruled(rivals[1:], exact[0])
            return []
        message = f"Properties {listed(rivals)} match field '{field}': choose one in field_map"
        return [Reason(INVALID_DATA, message)]

    def _resolve(self, name: str) -> None:
        field = self._field(name)
        self.writers[name] = None if field is None else self._field_writer(name, field)

    def _field_writer(self, name: str, field: FieldDescription) -> FieldWriter | None:
        is_key = field.name in self.key_fields
        if field.name == EXTERNAL_ID or is_key or _is_writable(field):
            self._register(name, field)
        if is_key:
            # Two different long keys could become equal if they were truncated.
            write = writer(field, truncate_strings=False)
            return field.name, trimming(write) if field.name == MARKETO_GUID else write
        if _is_writable(field):
            return field.name, writer(field, truncate_strings=self._settings.truncate_strings)
        if field.name not in _MANAGED_FIELDS:
            self._notes.note_unwritable(name)
        return None

    def _register(self, name: str, field: FieldDescription) -> None:
        names = self._properties_of.setdefault(field.name, [])
        names.insert(0 if self._field_map.renamed(name) == field.name else len(names), name)
        if len(names) > 1:
            self._contested.add(field.name)

    def _field(self, name: str) -> FieldDescription | None:
        """Return the only field that matches a property; None if no field or several match."""
        wanted = self._field_map.renamed(name)
        if wanted == name and (name.startswith("_sdc_") or name == "seq"):
            return None
        matches = self._index.matches(wanted)
        if len(matches) > 1:
            self._note_ambiguous(name, [field.name for field in matches])
        elif not (matches or _is_managed(wanted) or self._describes_lead(wanted)):
            self.unknown.add(name)
            self._notes.note_unknown(name, self._index.names)
        return matches[0] if len(matches) == 1 else None

    def _describes_lead(self, name: str) -> bool:
        return self._leads is not None and self._leads.describes_lead(name)

    def _note_ambiguous(self, name: str, fields: list[str]) -> None:
        """Remember that a property matches several fields, so that records with it are rejected.

        This is not necessary if other properties have the exact names of all these fields.
        """
        if not set(fields) <= set(map(self._field_map.renamed, self._schema_properties)):
            self._ambiguous[name] = fields

    def _check_ambiguous(self) -> None:
        for name, fields in self._ambiguous.items():
            example = example_setting({self._stream: {name: fields[0]}})
            raise UnwritableStreamError(
                f"Stream '{self._stream}': property '{name}' matches Marketo's fields "
                f"{listed(fields)}. Choose one in field_map, as in {example}.",
            )

    def _check_key(self) -> None:
        missing = [field for field in self.key_fields if field not in self._properties_of]
        if missing:
            raise UnwritableStreamError(
                f"Stream '{self._stream}' has no property for {' and '.join(missing)}, which "
                "identifies its records in Marketo. "
                f"{key_advice(self._stream, missing, self._schema_properties)} "
                "Or set the stream to 'ignore' in stream_objects.",
            )


class _FieldIndex:
    """The fields of an object by exact name, and by name without case and underscores.

    Args:
        fields: the fields.

    Attributes:
        names: names of the fields.
    """

    def __init__(self, fields: Iterable[FieldDescription]) -> None:
        self.names: list[str] = []
        self._exact: dict[str, list[FieldDescription]] = {}
        self._loose: dict[str, list[FieldDescription]] = {}
        for field in fields:
            self.names.append(field.name)
            self._exact.setdefault(field.name, []).append(field)
            self._loose.setdefault(comparable_name(field.name), []).append(field)

    def matches(self, name: str) -> list[FieldDescription]:
        """Return the fields that match a name.

        Returns:
            The fields with exactly this name; if there are none, the fields whose names differ from
            it only by case and underscores.
        """
        return self._exact.get(name) or self._loose.get(comparable_name(name), [])


def _fields(description: ObjectDescription) -> tuple[FieldDescription, ...]:
    """Return the fields of an object; its id is included even if describe leaves it out."""
    if description.field(description.id_field) is not None:
        return description.fields
    id_field = FieldDescription(description.id_field, description.id_field, "string")
    return (*description.fields, id_field)


def _is_managed(name: str) -> bool:
    """Return whether Marketo manages the field with this name, ignoring case and underscores."""
    return comparable_name(name) in _LOOSE_MANAGED_FIELDS


def _is_writable(field: FieldDescription) -> bool:
    return field.updateable and field.name not in _MANAGED_FIELDS
