"""A Singer record becomes a Marketo record: names, types, nulls and lengths, checked for free."""

from __future__ import annotations

import typing as t

import msgspec

from marketo_opps import MAX_BODY_BYTES, FieldDescription, FieldValueError, Reason, encode_record
from marketo_opps.field_writers import writer
from marketo_opps.fields import CREATED_AT, EXTERNAL_ID, MARKETO_GUID, UPDATED_AT
from target_marketo_opps.delivery.batching import MAX_RECORD_BYTES
from target_marketo_opps.delivery.counters import shown_key
from target_marketo_opps.errors import StreamError
from target_marketo_opps.mapping.fast_encoder import typed_encoder
from target_marketo_opps.mapping.routing import loose

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from marketo_opps import ObjectDescription
    from marketo_opps.models import Record
    from target_marketo_opps.settings import TargetSettings

DELETED_AT = "_sdc_deleted_at"

MISSING_VALUE = "1002"
INVALID_DATA = "1003"
UNKNOWN_FIELD = "1006"
TOO_LARGE = "413"

_MANAGED_FIELDS = frozenset({CREATED_AT, UPDATED_AT, MARKETO_GUID})
_LOOSE_MANAGED_FIELDS = frozenset(map(loose, _MANAGED_FIELDS))

_MOST_SHAPES = 1_000
"""Ways to combine properties that are kept in mind; a tap that leaves nulls out has many."""

_NAME = "name"

_Writer = t.Callable[[t.Any], t.Any]


class RecordError(Exception):
    """A record that cannot be right; an outcome of the record, not of the run."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__()


class Mapped(t.NamedTuple):
    """A record as Marketo takes it, and what tells it from others.

    Attributes:
        key: in the form in which keys are compared.
        locks: what must not be overtaken by another record that shares it.
        body: compact UTF-8 JSON.
    """

    key: Hashable
    locks: tuple[Hashable, ...]
    body: bytes


class RecordMapping:
    """How the records of one stream, under one schema, are mapped to an object.

    Properties that a record has and its schema lacks are looked up when they first appear.

    Args:
        stream: its name, for error texts.
        properties: the names of the schema's properties.
        description: describe's answer for the object that the stream is written to.
        settings: the target's settings.
        tell: takes one sentence about properties that are left out.

    Raises:
        StreamError: two properties meet in one field, or none is the key.
    """

    def __init__(
        self,
        stream: str,
        properties: Iterable[str],
        *,
        description: ObjectDescription,
        settings: TargetSettings,
        tell: Callable[[str], None],
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._tell = tell
        self._key_fields = key_fields(description, settings.dedupe_by)
        self._fields = _fields(description)
        self._unknown: list[str] = []
        self._unwritable: list[str] = []
        self._steps: dict[str, tuple[str, _Writer] | None] = {}
        self._property_of: dict[str, str] = {}
        self._opportunity_at = (
            self._key_fields.index(EXTERNAL_ID) if EXTERNAL_ID in self._key_fields else None
        )
        self._shapes: dict[tuple[str, ...], bool] = {}
        # The key from the start: the short way is to refuse a record without it.
        self._typed_fields = set(self._key_fields)
        self._sends_nulls = settings.nulls == "send"
        # A role has no name; of an opportunity it must not be cleared.
        self._name_required = self._sends_nulls and description.field(_NAME) is not None
        for name in properties:
            self._learn(name)
        self._check_key()
        self._typed = self._typed_encoder()
        self._tell_left_out(self._unknown, self._unwritable)

    def map(self, record: Record) -> Mapped:
        """The record as Marketo takes it.

        Raises:
            RecordError: it cannot be right.
        """
        return self._mapped_as_typed(record) or self._mapped_by_field(record)

    def _mapped_as_typed(self, record: Record) -> Mapped | None:
        """The same the short way; None if the record has to take the long one."""
        if not self._shapes.get(tuple(record)):
            return None
        try:
            body = self._typed(record)
        except (msgspec.ValidationError, UnicodeEncodeError):
            return None
        # An exponent may be beyond what Marketo can read.
        if len(body) >= MAX_RECORD_BYTES or b"E+" in body:
            return None
        parts = tuple([comparable(record[field]) for field in self._key_fields])
        return None if None in parts else self._with_locks(parts, record, body)

    def _mapped_by_field(self, record: Record) -> Mapped:
        mapped = self._written(record)
        if self._name_required and mapped.get(_NAME, "") is None:
            raise RecordError(
                [Reason(MISSING_VALUE, f"Missing value for required field '{_NAME}'")],
            )
        self._learn_shape(record)
        return self._with_locks(self._key(mapped), record, _encoded(mapped))

    def map_key(self, record: Record) -> Mapped:
        """The record's key alone, as a delete takes it.

        Raises:
            RecordError: it has no key.
        """
        properties = [self._property_of[field] for field in self._key_fields]
        mapped = self._written({name: record[name] for name in properties if name in record})
        return self._with_locks(self._key(mapped), record, _encoded(mapped))

    def shown_key(self, record: Record) -> str:
        """The record's key as it arrived, for the closing message."""
        properties = [self._property_of[field] for field in self._key_fields]
        return shown_key(record.get(name) for name in properties)

    def _written(self, record: Record) -> Record:
        """Field names to Marketo values."""
        mapped: Record = {}
        reasons: list[Reason] = []
        steps = self._steps
        for name, value in record.items():
            step = steps[name] if name in steps else self._learn_late(name)
            if step is None:
                continue
            field, write = step
            try:
                written = None if value is None or value == "" else write(value)
            except FieldValueError as error:
                reasons.append(error.reason)
                continue
            # A blank text is a null too, where it is no string's.
            if written is not None or self._sends_nulls:
                mapped[field] = written
        if self._unknown and self._settings.unknown_fields == "fail":
            reasons += _unknown_in(record, self._unknown)
        if reasons:
            raise RecordError(reasons)
        return mapped

    def _key(self, mapped: Record) -> tuple[Hashable, ...]:
        parts = tuple([comparable(mapped.get(field)) for field in self._key_fields])
        if None in parts:
            missing = self._key_fields[parts.index(None)]
            raise RecordError([Reason(MISSING_VALUE, f"Missing value for key field '{missing}'")])
        return parts

    def _with_locks(self, key: tuple[Hashable, ...], record: Record, body: bytes) -> Mapped:
        """The opportunity's id is a lock, whatever the object."""
        if self._opportunity_at is not None:
            return Mapped(key, (key[self._opportunity_at],), body)
        opportunity = _unwritten_lock(record.get(self._property_of.get(EXTERNAL_ID, "")))
        return Mapped(key, (key,) if opportunity is None else (key, opportunity), body)

    # Learning what becomes of a property, and of records with certain properties

    def _learn_shape(self, record: Record) -> None:
        """Let further records with just these properties try the short way, if it can be theirs."""
        shape = tuple(record)
        if shape in self._shapes or len(self._shapes) == _MOST_SHAPES:
            return
        written = {name: step[0] for name in shape if (step := self._steps[name]) is not None}
        self._shapes[shape] = all(name == field for name, field in written.items())
        if not self._typed_fields.issuperset(written):
            self._typed_fields |= written.keys()
            self._typed = self._typed_encoder()

    def _typed_encoder(self) -> Callable[[Record], bytes]:
        return typed_encoder(
            [field for field in self._fields if field.name in self._typed_fields],
            required=frozenset(self._key_fields),
            never_null=frozenset({_NAME} if self._name_required else ()),
            skip_nulls=not self._sends_nulls,
        )

    def _learn(self, name: str) -> tuple[str, _Writer] | None:
        """What becomes of a property: field and writer, or None when it is left out."""
        field = None if name.startswith("_sdc_") or name == "seq" else self._field(name)
        step = self._step(name, field) if field is not None else None
        self._steps[name] = step
        return step

    def _learn_late(self, name: str) -> tuple[str, _Writer] | None:
        """The same for a property that the schema does not have."""
        unknown, unwritable = len(self._unknown), len(self._unwritable)
        step = self._learn(name)
        self._tell_left_out(self._unknown[unknown:], self._unwritable[unwritable:])
        return step

    def _step(self, name: str, field: FieldDescription) -> tuple[str, _Writer] | None:
        is_key = field.name in self._key_fields
        if field.name == EXTERNAL_ID or is_key or _is_writable(field):
            self._claim(name, field)
        if is_key:
            # Two long keys cut to one length could become the same.
            write = writer(field, truncate_strings=False)
            return field.name, _trimmed(write) if field.name == MARKETO_GUID else write
        if _is_writable(field):
            return field.name, writer(field, truncate_strings=self._settings.truncate_strings)
        if field.name not in _MANAGED_FIELDS:
            self._unwritable.append(name)
        return None

    def _claim(self, name: str, field: FieldDescription) -> None:
        other = self._property_of.setdefault(field.name, name)
        if other != name:
            raise StreamError(
                f"Stream '{self._stream}': the properties '{other}' and '{name}' are both "
                f"Marketo's field {field.name}. Leave one of them out, by stream_maps for example.",
            )

    def _field(self, name: str) -> FieldDescription | None:
        """The field of that name: exactly, or ignoring case and underscores."""
        matches = [field for field in self._fields if field.name == name]
        matches = matches or [field for field in self._fields if loose(field.name) == loose(name)]
        if len(matches) > 1:
            raise StreamError(
                f"Stream '{self._stream}': the property '{name}' may be Marketo's field "
                f"{' or '.join(field.name for field in matches)}. Name it exactly, by stream_maps "
                "for example.",
            )
        if not matches and loose(name) not in _LOOSE_MANAGED_FIELDS:
            self._unknown.append(name)
        return matches[0] if matches else None

    def _check_key(self) -> None:
        missing = [field for field in self._key_fields if field not in self._property_of]
        if missing:
            raise StreamError(
                f"Stream '{self._stream}' has no property for {' and '.join(missing)}, so its "
                "records cannot be told apart in Marketo. Add it, by stream_maps for example, or "
                "set the stream to 'ignore' in stream_objects.",
            )

    def _tell_left_out(self, unknown: list[str], unwritable: list[str]) -> None:
        if unknown and self._settings.unknown_fields == "warn":
            self._tell(
                f"Stream '{self._stream}': the instance has no field for {_listed(unknown)}; left "
                "out. See the setting unknown_fields.",
            )
        if unwritable:
            self._tell(
                f"Stream '{self._stream}': Marketo says that {_listed(unwritable)} cannot be "
                "updated; left out.",
            )


def _fields(description: ObjectDescription) -> tuple[FieldDescription, ...]:
    """The object's fields, its id among them: that of roles is not always described."""
    if description.field(description.id_field) is not None:
        return description.fields
    id_field = FieldDescription(description.id_field, description.id_field, "string")
    return (*description.fields, id_field)


def key_fields(description: ObjectDescription, dedupe_by: str) -> tuple[str, ...]:
    """The fields that tell the object's records apart, by the setting `dedupe_by`."""
    return (description.id_field,) if dedupe_by == "idField" else description.dedupe_fields


def is_marked_deleted(record: Record) -> bool:
    """Whether a record tells of a delete; taps without nulls write none as blank or false."""
    mark = record.get(DELETED_AT)
    return bool(mark.strip()) if isinstance(mark, str) else mark is not None and mark is not False


def comparable(value: t.Any) -> Hashable | None:
    """A key's value in the form in which keys are compared; None when it is blank.

    Whether Marketo tells keys apart by case or trailing blanks is not documented: two that might
    be one are treated as one.
    """
    if isinstance(value, str):
        return value.rstrip().casefold() or None
    return t.cast("Hashable", value)


def _unwritten_lock(value: t.Any) -> Hashable | None:
    """The lock of an id that is not written here, so as it arrived: 7 is another stream's "7"."""
    return None if value is None or isinstance(value, list | dict) else comparable(str(value))


def _trimmed(write: _Writer) -> _Writer:
    """Takes a GUID with the blank at its end that Marketo adds now and then, and cannot take."""

    def trimmed(value: t.Any) -> t.Any:
        try:
            return write(value)
        except FieldValueError:
            return write(value.rstrip() if isinstance(value, str) else value)

    return trimmed


def _is_writable(field: FieldDescription) -> bool:
    return field.updateable and field.name not in _MANAGED_FIELDS


def _unknown_in(record: Record, unknown: list[str]) -> list[Reason]:
    return [
        Reason(UNKNOWN_FIELD, f"Field '{name}' not found") for name in unknown if name in record
    ]


def _encoded(mapped: Record) -> bytes:
    try:
        body = encode_record(mapped)
    except UnicodeEncodeError:
        message = "A value holds half of a surrogate pair, which is no character"
        raise RecordError([Reason(INVALID_DATA, message)]) from None
    if len(body) >= MAX_RECORD_BYTES:
        message = (
            f"The record takes {len(body):,} bytes, and a call must stay under {MAX_BODY_BYTES:,}"
        )
        raise RecordError([Reason(TOO_LARGE, message)])
    return body


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
