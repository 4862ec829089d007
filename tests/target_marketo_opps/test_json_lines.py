"""JSON lines: digits are kept, and what other taps write is accepted."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from target_marketo_opps.json_lines import decode, encode, source_line, source_record

HALF = b'"\\ud83d"'


def test_numbers_keep_every_digit_beside_a_lone_surrogate():
    value = decode(b'{"a":' + HALF + b',"b":1234567890123456.780,"c":12345678901234567890}')
    assert value == {"a": "\ud83d", "b": Decimal("1234567890123456.780"), "c": 12345678901234567890}
    assert str(value["b"]) == "1234567890123456.780"


@pytest.mark.parametrize("bare", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("text", [b'"x"', HALF])
def test_nan_is_encoded_as_null(bare, text):
    value = decode(b'{"a":%b,"b":[%b,1.50]}' % (bare.encode(), text))
    assert isinstance(value["a"], float)
    assert not math.isfinite(value["a"])
    assert encode(value) == b'{"a":null,"b":[%b,1.50]}' % text


def test_a_float_keeps_its_digits_beside_a_lone_surrogate():
    assert encode([1.5, "\ud83d"]) == b"[1.5," + HALF + b"]"


@pytest.mark.parametrize("depth", [1, 200, 450])
def test_deep_nesting_is_encoded_with_a_lone_surrogate(depth):
    line = b'{"a":[' * depth + b'"\\ud83d",1.50,null,{}' + b"]}" * depth
    assert encode(decode(line)) == line


def test_a_byte_order_mark_is_no_part_of_a_line():
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_record_from_elsewhere_takes_the_form_of_a_line(mark):
    line = source_line(mark + b'{"a":1.50}')
    assert line == b'{"record":{"a":1.50}}'
    assert source_record(line) == {"a": Decimal("1.50")}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_as_such(encoding):
    with pytest.raises(ValueError, match="it is UTF-16"):
        decode('{"a": 1}'.encode(encoding))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a"\0:1}', "it is not valid JSON at column 5 (Expecting ':' delimiter)"),
        (b'{"a":', "it is not valid JSON at column 6 (Expecting value); it is cut short"),
        (b'{"a":}  ', "it is not valid JSON at column 6 (Expecting value)"),
        (b"nul", "it is not valid JSON at column 1 (Expecting value)"),
    ],
)
def test_the_error_names_the_column(line, said):
    with pytest.raises(ValueError, match="not valid JSON") as caught:
        decode(line)
    assert str(caught.value).removesuffix(", as when the tap died") == said
