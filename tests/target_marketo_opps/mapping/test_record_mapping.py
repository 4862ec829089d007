"""Test types, nulls, lengths and keys of mapped records; no calls."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketo_opps import FieldDescription, ObjectDescription
from target_marketo_opps.mapping.record_mapping import (
    MAX_RECORD_BYTES,
    RecordError,
    RecordMapping,
)
from target_marketo_opps.mapping.stream_notes import StreamNotes
from target_marketo_opps.settings import TargetSettings
from tests.target_marketo_opps.mapping.objects import DESCRIPTION, FIELDS, ROLES, body, written


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("amount", "1604.47", Decimal("1604.47")),
        ("amount", Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
        ("amount", 3, 3),
        ("amount", "1e3", Decimal("1E+3")),
        ("quantity", "-.5", Decimal("-0.5")),
        ("probability", "40", 40),
        ("probability", 40.0, 40),
        ("probability", Decimal("40.00"), 40),
        ("isWon", "true", True),
        ("isWon", 0, False),
        ("isWon", "False", False),
        ("closeDate", "2026-03-04", "2026-03-04"),
        ("closeDate", "2026-03-04T23:30:00-05:00", "2026-03-04"),
        ("closeDate", "2026-03-04T00:00:00", "2026-03-04"),
        ("externalCreatedDate", "2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"),
        ("externalCreatedDate", "2026-03-04T05:06:07.891+02:00", "2026-03-04T03:06:07Z"),
        ("externalCreatedDate", "2026-03-04T05:06:07+0000", "2026-03-04T05:06:07Z"),
        ("externalCreatedDate", "2026-03-04 05:06:07", "2026-03-04T05:06:07Z"),
        ("externalCreatedDate", "2026-03-04", "2026-03-04T00:00:00Z"),
        ("name", 12, "12"),
        ("name", True, "true"),
        ("name", Decimal("1.10"), "1.1"),
        ("description", "ü" * 15_000, "ü" * 15_000),
    ],
)
def test_values_come_in_every_form_that_taps_emit(make, field, value, expected):
    assert written(make(field), field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("amount", "much", "1001"),
        ("amount", "NaN", "1001"),
        ("amount", True, "1001"),
        ("amount", [1], "1001"),
        ("probability", "40.5", "1001"),
        ("probability", 2**63, "1003"),
        ("isWon", "yes", "1001"),
        ("closeDate", "04.03.2026", "1001"),
        ("externalCreatedDate", 5, "1001"),
        ("name", {"a": 1}, "1001"),
        ("name", "x" * 256, "1003"),
        ("name", "half \ud83d", "1003"),
        ("description", "ü" * 15_001, "1003"),
    ],
)
def test_an_invalid_value_is_rejected_by_field_and_never_quoted(make, field, value, code):
    with pytest.raises(RecordError) as caught:
        make(field).map({"externalOpportunityId": "K", field: value})
    (reason,) = caught.value.reasons
    assert reason.code == code
    assert f"'{field}'" in reason.message
    assert not isinstance(value, str) or value not in reason.message


def test_a_rejected_record_has_all_its_reasons(make):
    with pytest.raises(RecordError) as caught:
        make().map({"externalOpportunityId": "K", "amount": "x", "isWon": "y"})
    assert len(caught.value.reasons) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["amount", "description", "isWon"])
def test_values_that_are_no_numbers_are_null_and_counted(make, told, field, value):
    mapping = make(field)
    for _ in range(2):
        assert written(mapping, field, value) is None
        assert written(mapping, field, 1) is not None
    assert told() == ["Stream 'deals': values that are NaN or infinite, treated as null: 2."]


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("field", ["amount", "description", "isWon", "closeDate"])
def test_null_and_empty_clear_a_field_or_are_left_out(make, field, value):
    assert written(make(field), field, value) is None
    assert written(make(field, nulls="skip"), field, value) == "absent"


@pytest.mark.parametrize("value", [" ", "\t \n"])
@pytest.mark.parametrize(
    "field", ["amount", "quantity", "probability", "isWon", "closeDate", "externalCreatedDate"]
)
def test_a_blank_text_is_a_null_where_the_field_is_no_string(make, field, value):
    mapping, skipping = make(field), make(field, nulls="skip")
    for _ in range(2):
        # The second record may be mapped fast.
        assert written(mapping, field, value) is None
        assert written(skipping, field, value) == "absent"


@pytest.mark.parametrize("nulls", ["send", "skip"])
def test_a_blank_text_stays_one_where_the_field_is_a_string(make, nulls):
    assert written(make("description", nulls=nulls), "description", " ") == " "


@pytest.mark.parametrize("value", [None, ""])
def test_a_name_must_not_be_cleared_but_may_be_absent(make, value):
    with pytest.raises(RecordError) as caught:
        make("name").map({"externalOpportunityId": "K", "name": value})
    assert caught.value.reasons[0].code == "1002"
    assert written(make("name", nulls="skip"), "name", value) == "absent"
    assert body(make("name")) == {"externalOpportunityId": "K"}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_record_without_key_is_rejected(make, value):
    with pytest.raises(RecordError) as caught:
        make().map({"externalOpportunityId": value})
    assert caught.value.reasons[0].code == "1002"
    assert "externalOpportunityId" in caught.value.reasons[0].message


def test_unknown_fields_can_reject_the_records_that_have_them(make):
    mapping = make("bogus", unknown_fields="fail")
    assert body(mapping) == {"externalOpportunityId": "K"}
    with pytest.raises(RecordError) as caught:
        mapping.map({"externalOpportunityId": "K", "bogus": 1})
    assert [str(reason) for reason in caught.value.reasons] == ["1006 Field 'bogus' not found"]


def test_strings_are_cut_when_asked_for_but_never_keys(make):
    mapping = make("name", "description", truncate_strings=True)
    assert body(mapping, name="x" * 300)["name"] == "x" * 255
    assert body(mapping, description="ü" * 20_000)["description"] == "ü" * 15_000
    with pytest.raises(RecordError) as caught:
        mapping.map({"externalOpportunityId": "K" * 51})
    assert caught.value.reasons[0].code == "1003"


@pytest.mark.parametrize("key", ["k", "K", "K  "])
def test_keys_are_compared_loosely_and_sent_unchanged(make, key):
    mapped = make().map({"externalOpportunityId": key})
    assert mapped.key == make().map({"externalOpportunityId": "K "}).key
    assert msgspec.json.decode(mapped.body) == {"externalOpportunityId": key}


def test_an_opportunity_and_its_role_share_an_ordering_key(make):
    role = make("leadId", "role", description=ROLES).map(
        {"externalOpportunityId": "k ", "leadId": "7", "role": "Buyer"}
    )
    assert role.ordering_keys == make().map({"externalOpportunityId": "K"}).ordering_keys
    assert role.key == ("k", "7", "buyer")
    assert b'"leadId":7' in role.body


def test_by_id_the_dedupe_field_is_still_an_ordering_key(make, told):
    mapping = make(
        "externalOpportunityId", key="marketo_guid", action="updateOnly", dedupe_by="idField"
    )
    mapped = mapping.map({"marketo_guid": "G ", "externalOpportunityId": "K", "name": "x"})
    assert msgspec.json.decode(mapped.body) == {"marketoGUID": "G ", "name": "x"}
    assert mapped.ordering_keys == (("g",), "k")
    assert told() == [
        "Stream 'deals': Marketo does not allow updates of 'externalOpportunityId'; not written."
    ]


def test_by_id_a_number_and_its_text_are_one_ordering_key(by_id):
    for _ in range(2):
        # The second record may be mapped fast.
        number, text = (
            by_id.map({"marketoGUID": "G", "externalOpportunityId": one}) for one in (7, "7 ")
        )
        assert number.ordering_keys == text.ordering_keys == (("g",), "7")


@pytest.mark.parametrize("value", [{"a": 1}, [1], None, " "])
def test_by_id_an_invalid_opportunity_id_is_no_ordering_key(by_id, value):
    mapped = by_id.map({"marketoGUID": "G", "externalOpportunityId": value})
    assert mapped.ordering_keys == (("g",),)


def test_a_delete_holds_the_key_alone(make):
    mapping = make("name", "amount", unknown_fields="fail")
    mapped = mapping.map_key(
        {"externalOpportunityId": "K", "name": None, "amount": "x", "bogus": 1}
    )
    assert mapped.body == b'{"externalOpportunityId":"K"}'


def test_a_delete_by_an_invalid_key_is_rejected_with_the_reason(make):
    with pytest.raises(RecordError) as caught:
        make().map_key({"externalOpportunityId": "K" * 51})
    (reason,) = caught.value.reasons
    assert reason.code == "1003"


def test_record_that_is_too_large_for_a_call_is_rejected(make):
    fields = tuple(FieldDescription(f"t{n}", "", "text") for n in range(40))
    description = ObjectDescription(
        "o", "marketoGUID", ("externalOpportunityId",), (), (*DESCRIPTION.fields, *fields)
    )
    mapping = make(description=description)
    texts = {f"t{n}": "x" * 29_000 for n in range(40)}
    with pytest.raises(RecordError) as caught:
        mapping.map({"externalOpportunityId": "K", **texts})
    assert caught.value.reasons[0].code == "413"
    del texts["t1"], texts["t2"], texts["t3"], texts["t4"], texts["t5"], texts["t6"]
    assert len(mapping.map({"externalOpportunityId": "K", **texts}).body) < 1_000_000


SINGER_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([float("nan"), float("-inf"), Decimal("12345.0"), Decimal("1.2345E+4")]),
    st.text(max_size=15),
    st.sampled_from(
        ["", " ", "true", "1.50", "x" * 300, "half \ud83d", "ü" * 10_000, "ü" * 20_000]
    ),
    st.dates().map(str),
    st.datetimes().map(str),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?\Z"),
    st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "Z"),
    st.lists(st.integers(), max_size=1),
)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)
_NUMBER = st.integers(-(2**53), 2**53) | st.decimals(-(10**9), 10**9, places=3)
USUAL_VALUES = {
    "string": _TEXT,
    "text": _TEXT,
    "currency": _NUMBER,
    "float": _NUMBER,
    "integer": st.integers(-(2**53), 2**53),
    "boolean": st.booleans(),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + "Z"),
}
NAMES = [name for name, *_ in FIELDS if name != "externalOpportunityId"]
USUAL_RECORDS = st.fixed_dictionaries(
    {},
    optional={name: st.none() | USUAL_VALUES[kind] for name, kind, *_ in FIELDS if name in NAMES},
)
KEYS = st.one_of(
    _TEXT,
    st.sampled_from(["K", "12345", "12345.0", "k ", float("nan"), 1e16, True]),
    st.integers(-(10**20), 10**20),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
)


@settings(max_examples=600, deadline=None)
@given(
    KEYS,
    USUAL_RECORDS,
    # One at most, because any value that has to be converted keeps a record off the fast way.
    st.dictionaries(st.sampled_from(NAMES), SINGER_VALUES, max_size=1),
    st.sampled_from(["send", "skip"]),
)
def test_fast_mapping_equals_mapping_by_field(key, usual, odd, nulls):
    record = {"externalOpportunityId": key, **usual, **odd}
    options = {"description": DESCRIPTION, "settings": TargetSettings(nulls=nulls)}
    mapping = RecordMapping("deals", record, **options, notes=StreamNotes("deals"))
    harmless = {"externalOpportunityId": "K", "name": "x"}
    first = {name: harmless.get(name) for name in record}
    mapping.map(first)
    assert mapping.map_fast(first)
    short = mapping.map_fast(record)
    if short is None:
        return
    long = mapping.map_by_field(record)
    assert (short.key, short.ordering_keys) == (long.key, long.ordering_keys)
    read = msgspec.json.Decoder(float_hook=Decimal).decode
    assert read(short.body) == read(long.body)


@given(st.integers(-(10**20), 10**20), st.integers(0, 5))
def test_a_key_is_sent_alike_however_its_number_is_spelt(digits, zeros):
    mapping = RecordMapping(
        "deals",
        ["externalOpportunityId"],
        description=DESCRIPTION,
        settings=TargetSettings(),
        notes=StreamNotes("deals"),
    )
    spellings = [
        digits,
        Decimal(f"{digits}.{'0' * zeros}"),
        Decimal(f"{digits}{'0' * zeros}e-{zeros}"),
    ]
    mapped = {mapping.map({"externalOpportunityId": each}) for each in spellings}
    assert mapped == {mapping.map({"externalOpportunityId": str(digits)})}


def test_a_typed_record_is_mapped_fast(make):
    mapping = make("name", "amount", "probability", "isWon", "closeDate", "createdAt", "bogus")
    record = {
        "externalOpportunityId": "K",
        "name": "x",
        "amount": Decimal("1.50"),
        "probability": 3,
        "isWon": None,
        "closeDate": "2026-02-28",
        "createdAt": "2026-02-28T00:00:00Z",
        "bogus": 1,
    }
    assert mapping.map_fast(record) is None
    long = mapping.map(record)
    short = mapping.map_fast(record)
    assert short is not None
    assert msgspec.json.decode(short.body) == msgspec.json.decode(long.body)
    assert short.key == long.key


def test_a_number_that_is_too_large_is_rejected_when_mapped_fast(make):
    mapping = make("amount")
    mapping.map({"externalOpportunityId": "K", "amount": 1})
    with pytest.raises(RecordError):
        mapping.map({"externalOpportunityId": "K", "amount": Decimal("1E+400")})


@pytest.mark.parametrize("change", [{"name": None}, {"name": ""}, {"externalOpportunityId": " "}])
def test_an_invalid_record_is_not_mapped_fast(make, change):
    mapping = make("name")
    mapping.map({"externalOpportunityId": "K", "name": "x"})
    with pytest.raises(RecordError):
        mapping.map({"externalOpportunityId": "K", "name": "x", **change})


def test_a_record_rejected_for_unknown_fields_is_not_mapped_fast(make):
    mapping = make("bogus", unknown_fields="fail")
    for _ in range(3):
        with pytest.raises(RecordError):
            mapping.map({"externalOpportunityId": "K", "bogus": 1})


def test_by_id_the_opportunity_is_an_ordering_key_either_way(make_by_id):
    mapping = make_by_id("externalOpportunityId", "name")
    record = {"marketoGUID": "G", "externalOpportunityId": "K ", "name": "x"}
    ways = mapping.map_by_field(record), mapping.map_fast(record)
    for mapped in (*ways, mapping.map_key(record)):
        assert mapped.key == ("g",)
        assert mapped.ordering_keys == (("g",), "k")


@pytest.mark.parametrize("properties", [(), ("externalOpportunityId",)])
def test_by_id_unknown_opportunities_share_no_ordering_key(make_by_id, properties):
    mapping = make_by_id(*properties)
    for guid in "gh":
        assert mapping.map({"marketoGUID": guid}).ordering_keys == ((guid,),)


def test_an_opportunitys_only_ordering_key_is_its_id(make):
    assert make().map({"externalOpportunityId": "K "}).ordering_keys == ("k",)


def test_a_guid_is_sent_without_the_blank_that_makes_it_too_long(make_by_id):
    mapped = make_by_id().map({"marketoGUID": "G" * 36 + " "})
    assert msgspec.json.decode(mapped.body) == {"marketoGUID": "G" * 36}


@pytest.mark.parametrize("value", [["G"], "G" * 37])
def test_invalid_guid_is_rejected(make_by_id, value):
    with pytest.raises(RecordError):
        make_by_id().map({"marketoGUID": value})


def test_trailing_blank_of_other_keys_is_kept(make):
    with pytest.raises(RecordError) as caught:
        make().map({"externalOpportunityId": "K" * 50 + " "})
    assert caught.value.reasons[0].code == "1003"


def test_a_key_is_shown_as_it_arrived(make):
    roles = make("lead_id", "role", description=ROLES)
    shown = roles.display_key({"externalOpportunityId": "K ", "lead_id": "7"})
    assert shown == "K /7/(none)"


@pytest.mark.parametrize("record", [{}, {"name": "x"}, {"bogus": 1}])
def test_each_record_without_a_key_is_rejected(make, record):
    mapping = make()
    for _ in range(3):
        with pytest.raises(RecordError) as caught:
            mapping.map(record)
        assert caught.value.reasons[0].code == "1002"


def test_an_unknown_field_hides_no_other_reason(make):
    mapping = make("bogus", unknown_fields="fail")
    with pytest.raises(RecordError) as caught:
        mapping.map({"externalOpportunityId": "K", "bogus": 1, "amount": "x"})
    assert [reason.code for reason in caught.value.reasons] == ["1001", "1006"]


def test_a_name_that_would_be_cleared_is_rejected(make):
    with pytest.raises(RecordError) as caught:
        make("name").map({"externalOpportunityId": "K", "name": None})
    assert "'name'" in caught.value.reasons[0].message


@pytest.fixture
def make_large(make):
    """Return a mapping with an unlimited field, and a function that makes records of a size."""
    field = FieldDescription("large", "", "string", MAX_RECORD_BYTES)
    description = dataclasses.replace(DESCRIPTION, fields=(*DESCRIPTION.fields, field))
    rest = len(b'{"externalOpportunityId":"K","large":""}')
    return make("large", description=description), lambda size_bytes: {
        "externalOpportunityId": "K",
        "large": "x" * (size_bytes - rest),
    }


@pytest.mark.parametrize("passed_before", [False, True])
def test_record_must_be_smaller_than_a_call(make_large, passed_before):
    mapping, record = make_large
    if passed_before:
        mapping.map(record(100))
    with pytest.raises(RecordError) as caught:
        mapping.map(record(MAX_RECORD_BYTES))
    assert f"has {MAX_RECORD_BYTES:,} bytes" in caught.value.reasons[0].message
    assert len(mapping.map(record(MAX_RECORD_BYTES - 1)).body) == MAX_RECORD_BYTES - 1


def test_number_of_fast_combinations_is_limited(make):
    mapping = make("name", "amount", "isWon", max_shapes=2)
    fast = []
    for name, value in {"name": "x", "amount": 1, "isWon": True}.items():
        assert body(mapping, **{name: value}) == {"externalOpportunityId": "K", name: value}
        fast.append(mapping.map_fast({"externalOpportunityId": "K", name: value}) is not None)
    assert fast == [True, True, False]
