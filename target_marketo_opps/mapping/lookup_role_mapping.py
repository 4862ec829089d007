"""Map roles whose lead is looked up by a value, instead of by its lead ID."""

from __future__ import annotations

import typing as t

from marketo_opps.fields import EXTERNAL_ID, LEAD_ID
from marketo_opps.near_names import listed
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.field_map import FieldMap
from target_marketo_opps.mapping.lead_properties import read_lookup_value, without_lead_id
from target_marketo_opps.mapping.mapped_record import RecordError
from target_marketo_opps.mapping.record_mapping import RecordMapping

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import ObjectDescription, Reason
    from marketo_opps.models import Record
    from target_marketo_opps.mapping.lead_properties import LeadProperties
    from target_marketo_opps.mapping.mapped_record import MappedRecord
    from target_marketo_opps.mapping.stream_notes import StreamNotes
    from target_marketo_opps.settings import TargetSettings


class LookupRoleMapping:
    """Maps the records of one stream, under one schema, to roles without a lead ID.

    A `leadId` in a record is ignored, because it is the ID of a lead in another instance.

    Args:
        stream: name of the stream, for error messages.
        properties: names of the properties in the schema.
        description: description of roles.
        settings: the target's settings.
        notes: collects what is not written, for log lines at the end of the run.
        leads: tells which properties are about the lead of a role.
        is_closed: whether properties that are not in the schema are ignored.

    Raises:
        UnwritableStreamError: the stream cannot be written as its SCHEMA describes it.
    """

    def __init__(
        self,
        stream: str,
        properties: Iterable[str],
        *,
        description: ObjectDescription,
        settings: TargetSettings,
        notes: StreamNotes,
        leads: LeadProperties,
        is_closed: bool = False,
    ) -> None:
        _check_keys(stream, description)
        self._field = str(leads.lookup_field)
        self._leads = leads
        self._mapping = RecordMapping(
            stream,
            properties,
            description=without_lead_id(description),
            settings=settings,
            notes=notes,
            leads=leads,
            is_closed=is_closed,
        )
        self._field_map = FieldMap(stream, settings.field_map.get(stream, {}))
        self._is_closed = is_closed
        # Properties that are not in the schema are added when a record first has them.
        self._finds = {name: self._finds_lead(name) for name in properties}
        self._check_schema(stream)

    def map(self, record: Record) -> MappedRecord:
        """Convert a record to the role to send to Marketo, except for its lead ID.

        Raises:
            RecordError: the record is invalid.
        """
        return self._with_value(self._mapping.map, record)

    def map_key(self, record: Record) -> MappedRecord:
        """Convert the key of a record to the body of a delete, except for the lead ID.

        Raises:
            RecordError: the record has no valid key.
        """
        return self._with_value(self._mapping.map_key, record)

    def faults(self, record: Record) -> tuple[Reason, ...]:
        """Return the reasons why a record is invalid; empty if it is valid."""
        _, reasons = self._read(record)
        return (*self._mapping.faults(record), *reasons)

    def key_of(self, record: Record) -> dict[str, t.Any]:
        """Return the key fields, except the lead ID, with their values as they arrived."""
        return self._mapping.key_of(record)

    def display_key(self, record: Record) -> str:
        """Return the opportunity id of a role, as it arrived, for log lines."""
        return self._mapping.display_field(EXTERNAL_ID, record)

    def _with_value(self, map_: Callable[[Record], MappedRecord], record: Record) -> MappedRecord:
        value, reasons = self._read(record)
        try:
            mapped = map_(record)
        except RecordError as error:
            raise RecordError([*error.reasons, *reasons]) from None
        if reasons:
            raise RecordError(reasons)
        return mapped._replace(lead_value=value)

    def _read(self, record: Record) -> tuple[str, list[Reason]]:
        finds = self._finds
        for name in record.keys() - finds.keys():
            finds[name] = not self._is_closed and self._finds_lead(name)
        values = {name: record[name] for name in record if finds[name]}
        return read_lookup_value(values, self._field)

    def _finds_lead(self, name: str) -> bool:
        return self._leads.finds_lead(self._field_map.renamed(name))

    def _check_schema(self, stream: str) -> None:
        if not any(self._finds.values()):
            raise UnwritableStreamError(
                f"Stream '{stream}' has no property {' or '.join(map(repr, self._leads.names))}, "
                "which lead_lookup_field needs to look up the lead of a role. Map one of its "
                f"properties in field_map ({listed([*self._finds][:30])}), or add "
                "the field to the setting lead_fields of tap-marketo-opps."
            )


def _check_keys(stream: str, description: ObjectDescription) -> None:
    missing = {EXTERNAL_ID, LEAD_ID} - set(description.dedupe_fields)
    if missing:
        raise UnwritableStreamError(
            f"Stream '{stream}': lead_lookup_field cannot be used, because the key fields of "
            f"this instance's roles do not include {' and '.join(sorted(missing))}. Remove "
            "lead_lookup_field."
        )
