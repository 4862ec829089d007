"""Test writing STATE through a real pipe."""

from __future__ import annotations

import contextlib
import os

import pytest

from marketo_opps.plugin.errors import OutputError
from target_marketo_opps.state.state_writer import StateWriter

pytestmark = pytest.mark.waits


class Pipe:
    """Standard output as a pipe, and its reading end."""

    def __init__(self, source, out):
        self.source = source
        self._out = out
        os.set_blocking(source.fileno(), False)

    def read(self):
        return self.source.read(10_000_000) or b""

    def write(self, writer, value):
        with contextlib.redirect_stdout(self._out):
            writer.write(value)


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as out, os.fdopen(reader, "rb", buffering=0) as source:
        yield Pipe(source, out)


def test_a_state_is_a_line_of_compact_json(pipe, self_pipe):
    pipe.write(StateWriter(self_pipe, lambda: False), {"a": [1, "ü"]})
    assert pipe.read() == '{"a":[1,"ü"]}\n'.encode()


def test_no_line_is_written_after_an_incomplete_one(pipe, self_pipe):
    self_pipe.set()
    writer = StateWriter(self_pipe, lambda: True)
    with pytest.raises(OutputError) as caught:
        pipe.write(writer, "x" * 1_000_000)
    assert str(caught.value) == (
        "STATE cannot be written to standard output: its reader has stopped reading. Fix the cause "
        "(free disk space, or start the reader again), and run again with the last STATE: what was "
        "delivered since will be delivered again."
    )
    assert pipe.read().startswith(b'"xxx')
    pipe.write(writer, "next")
    assert pipe.read() == b""


def test_a_slow_reader_gets_the_line_whole(pipe, self_pipe):
    read = []

    def read_on():
        read.append(pipe.read())
        self_pipe.set()

    self_pipe.set()
    pipe.write(StateWriter(self_pipe, read_on), "x" * 200_000)
    assert b"".join([*read, pipe.read()]) == b'"' + b"x" * 200_000 + b'"\n'


def test_a_reader_that_has_gone_is_named_as_the_cause(pipe, self_pipe):
    pipe.source.close()
    with pytest.raises(OutputError, match=r"to standard output: Broken pipe\. Fix the cause"):
        pipe.write(StateWriter(self_pipe, lambda: False), 1)
