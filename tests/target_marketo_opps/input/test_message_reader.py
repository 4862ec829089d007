"""Test lines that the fast decoder refuses, and the errors of invalid lines."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest

from target_marketo_opps.errors import InputError
from target_marketo_opps.input.message_reader import MessageReader
from target_marketo_opps.json_lines import decode, encode

HALF = b'"\\ud83d"'


def read(content):
    seen = []
    reader = MessageReader()
    reader.handlers = {"RECORD": seen.append}
    counts = reader.process_lines(io.BytesIO(content), {})
    return seen, counts


def test_numbers_keep_every_digit_beside_a_lone_surrogate():
    value = decode(b'{"a":' + HALF + b',"b":1234567890123456.780,"c":12345678901234567890}')
    assert value == {"a": "\ud83d", "b": Decimal("1234567890123456.780"), "c": 12345678901234567890}
    assert str(value["b"]) == "1234567890123456.780"


@pytest.mark.parametrize("bare", ["NaN", "Infinity", "-Infinity"])
def test_nan_is_encoded_as_null(bare):
    value = decode(f'{{"a":{bare},"b":["{bare}",1.50]}}'.encode())
    assert isinstance(value["a"], float)
    assert encode(value) == f'{{"a":null,"b":["{bare}",1.50]}}'.encode()


@pytest.mark.parametrize("depth", [1, 200, 450])
def test_deep_nesting_is_encoded_with_a_lone_surrogate(depth):
    line = b'{"a":[' * depth + b'"\\ud83d",1.50,null,{}' + b"]}" * depth
    assert encode(decode(line)) == line


def test_a_byte_order_mark_is_no_part_of_a_line():
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_as_such(encoding):
    with pytest.raises(ValueError, match="it is UTF-16"):
        decode('{"a": 1}'.encode(encoding))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[1]", "it is JSON, but not an object"),
        (b'{"a":1}', "it has no 'type'"),
        (b'{"type":"PIE"}', "its 'type' must be one of"),
        (b'{"type":"RECORD","a":"\xff"}', "invalid UTF-8 at byte 23."),
        (b'{"type":"RECORD","rec', "it is cut short, as when the tap died"),
        (b'{"type":}', "it is not valid JSON at column 9"),
        (b"1" * 5000 + b"." + HALF, "it is not valid JSON|that is too large"),
    ],
)
def test_the_error_of_an_unusable_line_names_its_number(line, said):
    with pytest.raises(InputError, match=said) as caught:
        read(b'{"type":"RECORD"}\n\n' + line + b"\n")
    assert str(caught.value).startswith("Line 3 of the input cannot be used: ")


def test_line_that_ends_like_a_message_is_not_called_cut_short():
    with pytest.raises(InputError) as caught:
        read(b'{"type":"RECORD",} \n')
    assert "cut short" not in str(caught.value)


def test_last_line_needs_no_newline_and_messages_are_counted():
    seen, counts = read(b'{"type":"RECORD","n":1}\n{"type":"RECORD","n":2}')
    assert [message["n"] for message in seen] == [1, 2]
    assert counts["RECORD"] == 2
