"""Tests of writing lines to standard output."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path, PurePosixPath

import pytest
from singer_sdk.singerlib import RecordMessage, SchemaMessage

from marketo_opps.plugin.errors import OutputError
from tap_marketo_opps.singer_writer import (
    MessageWriter,
    encode_message,
    encode_records,
    encode_state,
)

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class BarePipe(io.BytesIO):
    """An unbuffered stdout, where a write may write only a part."""

    def write(self, data):
        return super().write(bytes(data[:7]))


class FullPipe(BarePipe):
    """An unbuffered stdout that does not block, and is full at every second write."""

    def __init__(self):
        super().__init__()
        self._is_full = False

    def write(self, data):
        self._is_full = not self._is_full
        return None if self._is_full else super().write(data)


@pytest.mark.parametrize("pipe", [BarePipe(), FullPipe()])
def test_a_write_that_is_cut_short_resumes_where_it_stopped(monkeypatch, pipe):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    lines = b'{"type":"STATE","value":{}}\n' * 3
    MessageWriter().write(lines)
    assert pipe.getvalue() == lines


class Failing(io.BytesIO):
    """A stdout to which nothing can be written."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, data):
        raise self._error


def test_records_are_lines_with_their_stream_and_time():
    lines = encode_records("deals", [{"id": 1}, {"id": "ü"}], MOMENT)
    parts = b'{"type":"RECORD","stream":"deals","record":{"id":%s},"time_extracted":"%s"}\n'
    time = b"2026-01-02T03:04:05Z"
    assert lines == parts % (b"1", time) + parts % ('"ü"'.encode(), time)
    assert encode_records("deals", [], MOMENT) == b""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("1234567890123456.780"), b"1234567890123456.780"),
        (PurePosixPath("a/b"), b'"a/b"'),
        (None, b"null"),
    ],
)
def test_numbers_keep_their_digits_and_other_values_are_text(value, written):
    assert encode_message({"value": value}) == b'{"value":' + written + b"}\n"
    assert b'"record":' + written + b"," in encode_records("deals", [value], MOMENT)


def test_a_state_is_a_line():
    assert encode_state({"bookmarks": {}}) == b'{"type":"STATE","value":{"bookmarks":{}}}\n'


def test_a_message_of_the_sdk_is_a_line_written_at_once(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    writer = MessageWriter()
    for _ in range(2):
        writer.write_message(RecordMessage("deals", {"id": Decimal("1.50")}))
    line = b'{"type":"RECORD","stream":"deals","record":{"id":1.50}}\n'
    assert raw.getvalue() == line * 2


def test_a_closed_pipe_is_no_error_of_the_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Failing(BrokenPipeError(32, "Broken"))))
    with pytest.raises(BrokenPipeError):
        MessageWriter().write(b"{}\n")


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(5, "Input/output error"), "Input/output error"), (OSError(), "OSError")],
)
def test_an_output_that_fails_is_told_with_its_cause(monkeypatch, error, why):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Failing(error)))
    with pytest.raises(OutputError) as caught:
        MessageWriter().write(b"{}\n")
    assert str(caught.value).startswith(f"Messages cannot be written to standard output: {why}. ")
    assert caught.value.__cause__ is error


def test_a_schema_is_written_again_only_if_it_has_changed(capfdbinary):
    writer = MessageWriter()
    for length in (1, 1, 2, 1):
        properties = {"id": {"type": "string", "maxLength": length}}
        writer.write_message(SchemaMessage("deals", {"properties": properties}, ["id"]))
    lengths = [
        json.loads(line)["schema"]["properties"]["id"]["maxLength"]
        for line in capfdbinary.readouterr().out.splitlines()
    ]
    assert lengths == [1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_error_that_names_standard_output(marketo_sandbox_factory, tmp_path):
    sandbox = marketo_sandbox_factory(opportunities=3, limits={"enforced": False})
    config = tmp_path / "config.json"
    ids = sandbox.instance.opportunity_ids()
    config.write_text(json.dumps({**sandbox.credentials, "filter_values": ids}))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tap_marketo_opps", f"--config={config}"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    (error,) = [line for line in done.stderr.splitlines() if "| ERROR" in line]
    assert done.returncode == 1
    assert error.endswith(
        "| Messages cannot be written to standard output: No space left on device. Fix the cause, "
        "and run again with the last STATE."
    )
