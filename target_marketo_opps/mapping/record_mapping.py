"""Map a Singer record to a Marketo record: names, types, nulls and lengths; no I/O."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import msgspec

from marketo_opps import (
    MAX_BODY_BYTES,
    SYNC_ENVELOPE_BYTES,
    FieldValueError,
    Reason,
    encode_record,
)
from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.keys import comparable_key
from marketo_opps.numbers import is_missing_number
from target_marketo_opps.mapping.fast_encoder import typed_encoder
from target_marketo_opps.mapping.field_plan import FieldPlan
from target_marketo_opps.mapping.keys import display_key
from target_marketo_opps.mapping.mapped_record import (
    INVALID_DATA,
    MISSING_VALUE,
    TOO_LARGE,
    UNKNOWN_FIELD,
    MappedRecord,
    RecordError,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Hashable, Iterable, Iterator

    from marketo_opps import ObjectDescription
    from marketo_opps.models import Record
    from target_marketo_opps.mapping.lead_properties import LeadProperties
    from target_marketo_opps.mapping.stream_notes import StreamNotes
    from target_marketo_opps.settings import TargetSettings

MAX_RECORD_BYTES = MAX_BODY_BYTES - SYNC_ENVELOPE_BYTES
"""The records of one call, with the commas between them, must have fewer bytes than this."""

MAX_SHAPES = 1_000
"""Default for `max_shapes`; a tap that omits nulls sends many combinations of properties."""

_NAME = "name"
_FRACTIONS = frozenset({float, Decimal})


class RecordMapping:
    """Maps the records of one stream, under one schema, to an object.

    Properties that are not in the schema are mapped too, when a record first has them.

    Args:
        stream: name of the stream, for error messages.
        properties: names of the properties in the schema.
        description: description of the object that the stream is written to.
        settings: the target's settings.
        notes: collects what is not written, for log lines at the end of the run.
        leads: tells which properties are about the lead of a role; None for opportunities.
        is_closed: whether properties that are not in the schema are ignored.
        max_shapes: maximum number of combinations of properties to remember for fast mapping.

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
        leads: LeadProperties | None = None,
        is_closed: bool = False,
        max_shapes: int = MAX_SHAPES,
    ) -> None:
        self._plan = FieldPlan(
            stream,
            properties,
            description=description,
            settings=settings,
            notes=notes,
            leads=leads,
            is_closed=is_closed,
        )
        self._notes = notes
        self._key_fields = self._plan.key_fields
        self._writers = self._plan.writers
        self._opportunity_at = (
            self._key_fields.index(EXTERNAL_ID) if EXTERNAL_ID in self._key_fields else None
        )
        self._fails_unknown = settings.unknown_fields == "fail"
        self._sends_nulls = settings.nulls == "send"
        # The name of an opportunity must not be cleared; a role has no name.
        self._name_required = self._sends_nulls and description.field(_NAME) is not None
        self._max_shapes = max_shapes
        self._fast_shapes: dict[tuple[str, ...], bool] = {}
        # Key fields are included from the start, so that the encoder refuses records without a key.
        self._fast_fields = set(self._key_fields)
        self._fast_encode = self._fast_encoder()

    def map(self, record: Record) -> MappedRecord:
        """Convert a Singer record to the record to send to Marketo.

        Raises:
            RecordError: the record is invalid.
        """
        return self.map_fast(record) or self.map_by_field(record)

    def map_fast(self, record: Record) -> MappedRecord | None:
        """Convert a Singer record to the one to send, if no value has to be converted.

        Returns:
            None if the record has to be mapped by `map_by_field`.
        """
        if not self._fast_shapes.get(tuple(record)):
            return None
        try:
            body = self._fast_encode(record)
        except (msgspec.ValidationError, UnicodeEncodeError):
            return None
        if len(body) >= MAX_RECORD_BYTES or _may_have_exponent(body):
            return None
        key = tuple([comparable_key(record[field]) for field in self._key_fields])
        return None if None in key else self._with_ordering_keys(key, record, body)

    def map_by_field(self, record: Record) -> MappedRecord:
        """Convert a Singer record to the record to send to Marketo, value by value.

        Raises:
            RecordError: the record is invalid.
        """
        written, reasons = self._written(record)
        if self._name_required and written.get(_NAME, "") is None:
            reasons.append(Reason(MISSING_VALUE, f"Missing value for required field '{_NAME}'"))
        if self._fails_unknown and self._plan.unknown:
            reasons += _unknown_in(record, self._plan.unknown)
        key = self._key(written, reasons)
        body = _encoded(written)
        self._remember_shape(record)
        return self._with_ordering_keys(key, record, body)

    def faults(self, record: Record) -> tuple[Reason, ...]:
        """Return the reasons why a record is invalid; empty if it is valid."""
        try:
            self.map_by_field(record)
        except RecordError as error:
            return error.reasons
        return ()

    def map_key(self, record: Record) -> MappedRecord:
        """Convert the key of a Singer record to the body of a delete.

        Raises:
            RecordError: the record has no valid key.
        """
        names = {name for field in self._key_fields for name in self._plan.properties_of(field)}
        written, reasons = self._written({name: record[name] for name in record if name in names})
        return self._with_ordering_keys(self._key(written, reasons), record, _encoded(written))

    def key_of(self, record: Record) -> dict[str, t.Any]:
        """Return the key fields of a record with their values as they arrived."""
        return {field: self._plan.value_of(field, record) for field in self._key_fields}

    def display_key(self, record: Record) -> str:
        """Return the key of a record as it arrived, for log lines."""
        return display_key(self.key_of(record).values())

    def display_field(self, field: str, record: Record) -> str:
        """Return one key field of a record as it arrived, for log lines."""
        return display_key([self._plan.value_of(field, record)])

    def _written(self, record: Record) -> tuple[Record, list[Reason]]:
        """Return the converted values by field name, and a reason for each invalid value."""
        if not record.keys() <= self._writers.keys():
            self._plan.resolve_new_properties(record)
        record, reasons = self._plan.drop_rivals(record)
        written: Record = {}
        for name, value in record.items():
            resolved = self._writers[name]
            if resolved is None:
                continue
            field, write = resolved
            try:
                # The class is checked first, because a function call is slow and rarely needed.
                is_null = value.__class__ in _FRACTIONS and self._is_missing(value)
                converted = None if is_null or value is None or value == "" else write(value)
            except FieldValueError as error:
                reasons.append(error.reason)
                continue
            # A writer returns None for a blank string if its field is not a string field.
            if converted is not None or self._sends_nulls:
                written[field] = converted
        return written, reasons

    def _is_missing(self, value: t.Any) -> bool:
        if is_missing_number(value):
            self._notes.missing_numbers += 1
            return True
        return False

    def _key(self, written: Record, reasons: list[Reason]) -> tuple[Hashable, ...]:
        """Return the key of a record in comparable form.

        Args:
            written: converted values by field name.
            reasons: the known reasons why the record is invalid.

        Raises:
            RecordError: there are reasons, or a key field has no value.
        """
        key = tuple([comparable_key(written.get(field)) for field in self._key_fields])
        if reasons or None in key:
            raise RecordError([*reasons, *self._missing(key, reasons)])
        return key

    def _missing(self, key: tuple[Hashable, ...], reasons: Iterable[Reason]) -> Iterator[Reason]:
        for field, value in zip(self._key_fields, key, strict=True):
            if value is None and not any(f"'{field}'" in reason.message for reason in reasons):
                yield Reason(MISSING_VALUE, f"Missing value for key field '{field}'")

    def _with_ordering_keys(
        self, key: tuple[Hashable, ...], record: Record, body: bytes
    ) -> MappedRecord:
        """Return the mapped record with the ids that decide which records keep their order."""
        if self._opportunity_at is not None:
            return MappedRecord(key, (key[self._opportunity_at],), body)
        opportunity = _unwritten_key(self._plan.value_of(EXTERNAL_ID, record))
        return MappedRecord(key, (key,) if opportunity is None else (key, opportunity), body)

    def _remember_shape(self, record: Record) -> None:
        """Remember whether records with exactly these properties can be mapped by `map_fast`."""
        shape = tuple(record)
        if shape in self._fast_shapes or len(self._fast_shapes) == self._max_shapes:
            return
        fields = {name: each[0] for name in shape if (each := self._writers[name]) is not None}
        # A property with a field's exact name wins over others, which may therefore be present.
        exact = {name for name, field in fields.items() if name == field}
        self._fast_shapes[shape] = exact.issuperset(fields.values())
        if not self._fast_fields.issuperset(fields):
            self._fast_fields |= fields.keys()
            self._fast_encode = self._fast_encoder()

    def _fast_encoder(self) -> Callable[[Record], bytes]:
        return typed_encoder(
            [field for field in self._plan.fields if field.name in self._fast_fields],
            required=frozenset(self._key_fields),
            never_null=frozenset({_NAME} if self._name_required else ()),
            skip_nulls=not self._sends_nulls,
        )


def _may_have_exponent(body: bytes) -> bool:
    """Return whether a JSON body may have a number like 1E+30, which Marketo may not accept.

    The plus sign is searched for first, because a single byte is found much faster than two.
    """
    return b"+" in body and b"E+" in body


def _unwritten_key(value: t.Any) -> str | None:
    """Return an opportunity id in comparable form, to keep the order of records with this id.

    Returns:
        None if the value is missing, or is an object or array instead of an id.
    """
    return None if isinstance(value, list | dict) else comparable_key(value)


def _unknown_in(record: Record, unknown: Container[str]) -> list[Reason]:
    return [
        Reason(UNKNOWN_FIELD, f"Field '{name}' not found") for name in record if name in unknown
    ]


def _encoded(written: Record) -> bytes:
    try:
        body = encode_record(written)
    except UnicodeEncodeError:
        message = "A value contains half of a surrogate pair, which is not a valid character"
        raise RecordError([Reason(INVALID_DATA, message)]) from None
    if len(body) >= MAX_RECORD_BYTES:
        message = f"The record has {len(body):,} bytes; a call must stay under {MAX_BODY_BYTES:,}"
        raise RecordError([Reason(TOO_LARGE, message)])
    return body
