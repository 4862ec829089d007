"""Encoding and decoding of JSON in requests and responses."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps.wire import (
    MAX_BATCH_RECORDS,
    MAX_BODY_BYTES,
    SYNC_ENVELOPE_BYTES,
    decode_response,
    encode_batch,
    encode_query,
    encode_record,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_a_record_is_encoded_as_compact_utf_8_with_all_digits():
    record = {"name": "Ünïcode ☃", "amount": Decimal("1234567890123456.70"), "closed": None}
    assert encode_record(record) == (
        '{"name":"Ünïcode ☃","amount":1234567890123456.70,"closed":null}'.encode()
    )


@given(JSON)
def test_an_encoded_record_decodes_to_the_same(value):
    assert decode_response(encode_record({"x": value})) == {"x": value}


def test_fractions_are_decoded_as_decimals_integers_as_int():
    read = decode_response(b'{"a":0.10,"b":1e2,"c":123456789012345678901234567890}')
    assert read == {"a": Decimal("0.10"), "b": Decimal("1e2"), "c": 123456789012345678901234567890}
    assert str(read["a"]) == "0.10"


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'{"a":}', b"\xff\xfe"])
def test_invalid_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        decode_response(body)


def test_a_text_cut_within_a_surrogate_pair_is_decoded():
    read = decode_response(rb'{"result":[{"a":"cut \ud83d","ok":"\ud83d\ude00","n":0.10}]}')
    assert read == {"result": [{"a": "cut \ufffd", "ok": "\U0001f600", "n": Decimal("0.10")}]}


def test_bytes_that_are_not_utf_8_are_replaced():
    assert decode_response(b'{"a":"caf\xe9"}') == {"a": "caf\ufffd"}


def test_a_batch_joins_encoded_records_unchanged():
    assert encode_batch([b'{"a":1}', b'{"b":2}'], action="createOnly", dedupeBy=None) == (
        b'{"action":"createOnly","input":[{"a":1},{"b":2}]}'
    )
    assert encode_batch([], deleteBy="idField") == b'{"deleteBy":"idField","input":[]}'


@given(
    st.lists(st.dictionaries(st.text(), st.text(), max_size=3).map(encode_record), min_size=1),
    st.sampled_from(["createOrUpdate", "createOnly", "updateOnly"]),
    st.sampled_from([None, "dedupeFields", "idField"]),
)
def test_a_batch_is_json_within_the_computed_size(records, action, dedupe_by):
    body = encode_batch(records, action=action, dedupeBy=dedupe_by)
    assert json.loads(body)["input"] == [json.loads(record) for record in records]
    assert len(body) <= SYNC_ENVELOPE_BYTES + sum(map(len, records)) + len(records) - 1
    assert len(encode_batch(records, deleteBy="dedupeFields")) <= len(body) + 40


@given(st.lists(st.tuples(st.text("abcXYZ", min_size=1), st.text(st.characters(codec="utf-8")))))
def test_a_query_is_encoded_in_printable_ascii(query):
    encoded = encode_query(query)
    assert re.fullmatch(r"[!-~]*", encoded)
    assert parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(query)) == query


def test_commas_in_a_query_are_not_encoded():
    assert encode_query([("v", "a b,ü&,-1.5~"), ("w", "")]) == "v=a+b,%C3%BC%26,-1.5~&w="


def test_the_limits_are_marketos():
    assert (MAX_BATCH_RECORDS, MAX_BODY_BYTES) == (300, 1_000_000)
