"""Tests that the fast conversion of pages gives the same records as the slow one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketo_opps import FieldDescription, ObjectDescription
from marketo_opps.fields import record_reader
from tap_marketo_opps.singer_writer import encode_records, encode_state
from tap_marketo_opps.typed_page import PageConverter, to_dict

KINDS = {
    "marketoGUID": "string",
    "updatedAt": "datetime",
    "class": "string",
    "name": "string",
    "amount": "float",
    "probability": "integer",
    "isWon": "boolean",
    "closeDate": "date",
    "touched": "datetime",
}
DESCRIPTION = ObjectDescription(
    "o",
    "marketoGUID",
    ("marketoGUID",),
    (),
    tuple(FieldDescription(name, "", kind) for name, kind in KINDS.items()),
)

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_loose = {
    "string": _text | st.integers() | st.booleans(),
    "float": st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.integers()
    | st.sampled_from(["", " ", "1e5", " 7 ", "1e400", "NaN", "Infinity", "-inf", "many", True]),
    "integer": st.integers(-(2**63), 2**63 - 1)
    | st.integers().map(str)
    | st.sampled_from(["", "7.0", " 8", "8.5", "x", True, Decimal("3.0")]),
    "boolean": st.booleans() | st.sampled_from(["true", "FALSE", "1", "0", "", "maybe", 1, 0]),
    "date": st.dates().map(str)
    | st.sampled_from(["2026-02-30", "", "2026-01-01T00:00:00Z", "soon", 7]),
    "datetime": st.datetimes().map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20))
    | st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - text
        lambda time: time.strftime("%Y-%m-%dT%H:%M:%S+0000")
    )
    | st.sampled_from(
        [
            "2026-01-01T00:00:00.5Z",
            "2026-01-01T05:30:00+05:30",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "",
            "never",
            7,
        ]
    ),
}
_records = st.lists(
    st.fixed_dictionaries(
        {}, optional={name: st.none() | _loose[kind] for name, kind in KINDS.items()}
    ),
    max_size=4,
)


def _as_json(records):
    line = encode_records("s", records, datetime(2026, 1, 1, tzinfo=UTC))
    return [json.loads(each, parse_float=str)["record"] for each in line.splitlines()]


@settings(max_examples=500)
@given(_records)
def test_what_is_written_is_the_same_in_any_case(records):
    misfits, careful_misfits = [], []
    careful = record_reader(DESCRIPTION, list(KINDS), lambda *told: careful_misfits.append(told))
    quick = PageConverter(DESCRIPTION, list(KINDS), "updatedAt", lambda *told: misfits.append(told))
    expected = [careful(record) for record in records]
    page = quick(records)
    assert _as_json([typed for _, typed in page]) == _as_json(expected)
    assert [moment for moment, _ in page] == [record["updatedAt"] for record in expected]
    assert sorted(misfits) == sorted(careful_misfits)


def test_a_usual_page_takes_the_fast_path_with_any_field_names():
    quick = PageConverter(DESCRIPTION, list(KINDS), "updatedAt", lambda *_: None)
    usual = {"marketoGUID": "g ", "class": "c", "amount": "1.50", "closeDate": "2026-01-31"}
    loose = {"probability": "55", "isWon": "true"}
    odd = {"closeDate": "31.01.2026"}
    page = [typed for _, typed in quick([usual, loose])]
    assert all(isinstance(typed, msgspec.Struct) for typed in page)
    assert to_dict(page[1]) == dict.fromkeys(KINDS) | {"probability": 55, "isWon": True}
    ((moment, typed), (_, other), (_, slow)) = quick([usual, loose, odd])
    assert moment is None
    # One unusual record does not slow the others of its page down.
    assert isinstance(typed, msgspec.Struct)
    assert isinstance(other, msgspec.Struct)
    assert isinstance(slow, dict)
    assert to_dict(typed) == dict.fromkeys(KINDS) | {
        "marketoGUID": "g",
        "class": "c",
        "amount": Decimal("1.50"),
        "closeDate": "2026-01-31",
    }


def test_digits_are_kept():
    quick = PageConverter(DESCRIPTION, ["amount"], "updatedAt", lambda *_: None)
    page = [typed for _, typed in quick([{"amount": "1234567890123456.78"}])]
    assert b'"record":{"amount":1234567890123456.78}' in encode_records(
        "s", page, datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_lines_are_singer_messages():
    line = encode_records("s", [{"a": 1}], datetime(2026, 1, 1, tzinfo=UTC))
    assert json.loads(line) == {
        "type": "RECORD",
        "stream": "s",
        "record": {"a": 1},
        "time_extracted": "2026-01-01T00:00:00Z",
    }
    assert encode_state({"bookmarks": {}}) == b'{"type":"STATE","value":{"bookmarks":{}}}\n'


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e308", Decimal("1e400"), 10**400]
)
def test_a_number_that_json_or_its_readers_do_not_know_is_null(number):
    quick = PageConverter(DESCRIPTION, ["amount"], "updatedAt", lambda *_: None)
    assert _as_json([typed for _, typed in quick([{"amount": number}])]) == [{"amount": None}]


@pytest.mark.parametrize("updated_at", ["2026-01-01T05:30:00Z", "2026-01-01T05:30:00+0000"])
def test_records_in_marketos_usual_forms_are_converted_fast(monkeypatch, updated_at):
    slow = []
    module = "tap_marketo_opps.typed_page.record_reader"
    monkeypatch.setattr(module, lambda *_: lambda record: slow.append(record) or {})
    convert = PageConverter(DESCRIPTION, list(KINDS), "updatedAt", lambda *_: None)
    usual = {"marketoGUID": "g ", "updatedAt": updated_at, "amount": "1604.47", "touched": None}
    ((value, typed),) = convert([{**usual, "touched": updated_at}])
    assert slow == []
    assert value == "2026-01-01T05:30:00Z"
    expected = {"updatedAt": value, "touched": value, "marketoGUID": "g"}
    assert json.loads(msgspec.json.encode(typed)).items() >= expected.items()
