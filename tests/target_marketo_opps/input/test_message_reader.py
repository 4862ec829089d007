"""Test lines that the fast decoder refuses, and the errors of invalid lines."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from types import SimpleNamespace

import pytest

from target_marketo_opps.errors import InputError
from target_marketo_opps.input.message_reader import MessageReader

HALF = b'"\\ud83d"'


def read(content):
    seen = []
    reader = MessageReader()
    reader.handlers = {"RECORD": seen.append}
    counts = reader.process_lines(io.BytesIO(content), {})
    return seen, counts


HUGE = b"9" * 20
"""An exponent beyond the range of `Decimal`."""


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
        (b'{"type":"RECORD","a":1e%b}' % HUGE, "that is too large"),
        (b'{"type":"RECORD","a":-1E-%b,"b":"\\ud83d"}' % HUGE, "that is too large"),
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


# Ways to read


def recording_reader():
    """Return a reader, the messages that it has read, and the descriptors before each read."""
    seen, asked, reader = [], [], MessageReader()
    reader.handlers = {"RECORD": lambda message: seen.append((reader.line_number, message["n"]))}
    reader.before_read = asked.append
    return reader, seen, asked


def line_of(number, size_bytes):
    """Return a message of a given size, newline included."""
    head = json.dumps({"type": "RECORD", "n": number, "x": ""})[:-2].encode()
    return head + b"x" * (size_bytes - len(head) - 3) + b'"}\n'


@pytest.mark.parametrize(
    "sizes",
    [
        [100, 100],
        # A chunk is 256 KB: lines that end with it, cross it, and are longer than two of them.
        [1 << 18, 100],
        [(1 << 18) - 1, 1 << 18, 100],
        [(1 << 18) + 1, 100, 100],
        [600_000, 100, 700_000],
    ],
)
@pytest.mark.parametrize("ends", [b"", b"\n"])
def test_lines_of_a_file_are_read_whole_whatever_the_chunks(tmp_path, sizes, ends):
    content = b"".join(line_of(number, size) for number, size in enumerate(sizes))
    (tmp_path / "in").write_bytes(content[:-1] + ends)
    reader, seen, asked = recording_reader()
    with (tmp_path / "in").open("rb") as source:
        counts = reader.process_lines(source, {})
        assert set(asked) == {source.fileno()}
    assert seen == [(number + 1, number) for number in range(len(sizes))]
    assert counts["RECORD"] == len(sizes)
    # Before every read, the last of which finds the end.
    assert len(asked) == -(-len(content[:-1] + ends) // (1 << 18)) + 1
    assert reader.line + b"\n" == line_of(len(sizes) - 1, sizes[-1])


def test_input_without_a_descriptor_is_read_line_by_line():
    reader, seen, asked = recording_reader()
    text = '{"type":"RECORD","n":1}\n\n{"type":"RECORD","n":2}'
    reader.process_lines(io.StringIO(text), {})
    assert seen == [(1, 1), (3, 2)]
    assert asked == [None] * 3


def test_text_with_half_of_a_surrogate_pair_is_an_unusable_line():
    reader, _, _ = recording_reader()
    with pytest.raises(InputError, match=r"^Line 1 .*invalid UTF-8"):
        reader.process_lines(io.StringIO("{\ud83d}"), {})


def test_standard_input_is_read_by_default_within_the_guard(monkeypatch):
    reader, seen, _ = recording_reader()
    inside = []

    @contextlib.contextmanager
    def guard():
        inside.append(list(seen))
        yield
        inside.append(list(seen))

    reader.guard = guard
    source = io.BytesIO(b'{"type":"RECORD","n":1}\n')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=source))
    reader.process_lines(None, {})
    assert inside == [[], [(1, 1)]]


def test_missing_members_of_a_message_are_named():
    reader = MessageReader()
    reader.assert_line_requires({"type": "SCHEMA", "stream": "a"}, {"stream"})
    with pytest.raises(InputError, match="it has no 'schema' and no 'stream'") as caught:
        reader.assert_line_requires({"type": "secret"}, {"stream", "schema"})
    assert "secret" not in str(caught.value)
