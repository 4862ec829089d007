"""Test the fast mapping of records whose properties were mapped by field before."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from marketo_opps import FieldDescription, ObjectDescription
from target_marketo_opps.mapping.record_mapping import RecordError, RecordMapping
from target_marketo_opps.mapping.stream_notes import StreamNotes
from target_marketo_opps.settings import TargetSettings

KINDS = {
    "name": "string",
    "description": "text",
    "amount": "currency",
    "probability": "integer",
    "isWon": "boolean",
    "closeDate": "date",
    "externalCreatedDate": "datetime",
}
DESCRIPTION = ObjectDescription(
    name="opportunity",
    id_field="marketoGUID",
    dedupe_fields=("externalOpportunityId",),
    searchable_fields=(("externalOpportunityId",),),
    fields=(
        FieldDescription("externalOpportunityId", "", "string", 50, updateable=False),
        *(
            FieldDescription(name, "", kind, 255 if name == "name" else None)
            for name, kind in KINDS.items()
        ),
    ),
)
TYPED = {
    "name": "x",
    "description": "x",
    "amount": 1,
    "probability": 1,
    "isWon": True,
    "closeDate": "2026-01-01",
    "externalCreatedDate": "2026-01-01T00:00:00Z",
}


def record(field, value):
    return {"externalOpportunityId": "K", field: value}


@pytest.fixture
def make():
    """Return a mapping that has already mapped a record with typed values of each field."""

    def make(**options):
        mapping = RecordMapping(
            "deals",
            ["externalOpportunityId", *KINDS],
            description=DESCRIPTION,
            settings=TargetSettings(**options),
            notes=StreamNotes("deals"),
        )
        for field, value in TYPED.items():
            mapping.map(record(field, value))
        return mapping

    return make


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 256),
        ("description", "ü" * 15_001),
        ("amount", "NaN"),
        ("amount", "1_000"),
        ("amount", True),
        ("amount", 10**308),
        ("amount", -(10**400)),
        ("probability", 2**63),
        ("probability", -(2**63) - 1),
        ("probability", True),
        ("isWon", 2),
        ("closeDate", "2026-02-29"),
        ("closeDate", "0000-01-01"),
        ("externalCreatedDate", "2026-01-01T24:00:00Z"),
        ("externalCreatedDate", "0000-01-01T00:00:00Z"),
    ],
)
def test_invalid_value_is_rejected_after_a_valid_one(make, field, value):
    with pytest.raises(RecordError):
        make().map(record(field, value))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 255),
        ("description", "ü" * 7_500),
        ("amount", Decimal("1234567890123456.78")),
        ("probability", -(2**53)),
        ("closeDate", "2026-12-31"),
        ("externalCreatedDate", "2026-11-30T23:59:59Z"),
    ],
)
def test_value_at_the_limit_is_mapped_fast_and_unchanged(make, field, value):
    mapped = make().map_fast(record(field, value))
    read = msgspec.json.Decoder(float_hook=Decimal).decode
    assert read(mapped.body) == record(field, value)


@pytest.mark.parametrize("field", [name for name in KINDS if name != "name"])
def test_a_null_is_sent_or_skipped_when_mapped_fast(make, field):
    null = record(field, None)
    assert msgspec.json.decode(make().map_fast(null).body) == null
    assert msgspec.json.decode(make(nulls="skip").map_fast(null).body) == {
        "externalOpportunityId": "K"
    }


def test_a_name_is_not_cleared_when_mapped_fast(make):
    null = record("name", None)
    assert make().map_fast(null) is None
    assert msgspec.json.decode(make(nulls="skip").map_fast(null).body) == {
        "externalOpportunityId": "K"
    }


def test_integer_too_large_to_map_fast_is_unchanged(make):
    mapped = make().map(record("amount", 2**60))
    assert msgspec.json.decode(mapped.body) == record("amount", 2**60)


def test_long_string_is_truncated_after_a_short_one(make):
    mapping = make(truncate_strings=True)
    mapped = mapping.map(record("name", "x" * 300))
    assert msgspec.json.decode(mapped.body) == record("name", "x" * 255)
