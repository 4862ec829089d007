"""Test the rejects file: flushing, file modes, and unchanged contents."""

from __future__ import annotations

import errno
import json
import os
import sys
from datetime import date
from decimal import Decimal

import pytest

from marketo_opps import MarketoObject
from marketo_opps.plugin.errors import OutputFileError
from target_marketo_opps.delivery.rejects import Reject, RejectsFile
from target_marketo_opps.json_lines import decode, encode, source_record
from target_marketo_opps.replay import messages


@pytest.fixture
def rejects(tmp_path):
    rejects = RejectsFile(str(tmp_path / "rejects.jsonl"))
    yield rejects
    rejects.close()


def test_new_file_is_private_and_existing_one_keeps_its_mode(rejects, tmp_path):
    assert (tmp_path / "rejects.jsonl").stat().st_mode & 0o777 == 0o600
    shared = tmp_path / "shared.jsonl"
    shared.touch()
    shared.chmod(0o640)
    RejectsFile(str(shared)).close()
    assert shared.stat().st_mode & 0o777 == 0o640


@pytest.fixture
def synced(monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    return sizes


def write(rejects):
    rejects.write(Reject("s", MarketoObject.OPPORTUNITIES, {"a": 1}, ()))


def test_flush_syncs_only_new_rejects(rejects, synced):
    rejects.flush()
    assert synced == []
    write(rejects)
    rejects.flush()
    rejects.flush()
    assert len(synced) == 1
    assert synced[0] > 0
    write(rejects)
    rejects.flush()
    assert synced[1] == 2 * synced[0]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_file_that_cannot_be_synced_is_no_error(rejects, monkeypatch, number):
    def refuse(_descriptor):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    write(rejects)
    rejects.flush()


def test_the_error_of_a_failing_disk_names_the_path(rejects, monkeypatch, tmp_path):
    def fail(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    write(rejects)
    for _ in range(2):
        with pytest.raises(OutputFileError, match="Input/output error") as caught:
            rejects.flush()
    assert str(tmp_path / "rejects.jsonl") in str(caught.value)


def test_closing_raises_the_error_of_a_failing_disk_too(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    rejects = RejectsFile(str(tmp_path / "rejects.jsonl"))
    write(rejects)
    with pytest.raises(OutputFileError, match="Input/output error"):
        rejects.close()
    with pytest.raises(ValueError, match="closed file"):
        write(rejects)


def test_the_error_of_a_path_that_cannot_be_opened_names_it(tmp_path):
    with pytest.raises(OutputFileError, match=f"'{tmp_path}' cannot be opened"):
        RejectsFile(str(tmp_path))


def test_incomplete_line_is_ended_before_the_next_reject(tmp_path, caplog):
    path = tmp_path / "rejects.jsonl"
    for number in (1, 2, 3):
        rejects = RejectsFile(str(path))
        rejects.write(Reject("s", MarketoObject.OPPORTUNITIES, {"a": number}, ()))
        rejects.close()
        if number == 2:
            path.write_bytes(path.read_bytes()[:-30])
    with path.open("rb") as lines:
        replayed = [json.loads(line) for line in messages(lines, "the file")]
    assert [one["record"]["a"] for one in replayed if one["type"] == "RECORD"] == [1, 3]
    assert "Line 2 of the file is incomplete; skipped." in caplog.messages
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("half", ["", "\ud83d"])
def test_reject_keeps_every_digit(half):
    value = {
        "text": "ü" + half,
        "list": [1, {"x": Decimal("1234567890123456.780")}, None, True, [half]],
        "day": date(2026, 3, 4),
    }
    line = encode(value)
    assert b"1234567890123456.780" in line
    read = json.loads(line)
    assert read["text"] == "ü" + half
    assert read["list"] == [1, {"x": 1234567890123456.78}, None, True, [half]]
    assert read["day"] == "2026-03-04"


def nested(depth):
    return b'{"record":{"a":' + b"[" * depth + b'"\\ud83d"' + b"]" * depth + b"}}"


def is_decodable(line):
    try:
        decode(line)
    except ValueError:
        return False
    return True


def called_deeper(levels, function):
    return called_deeper(levels - 1, function) if levels else function()


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="from 3.12 on decoding in C has a limit of its own"
)
def test_source_is_decoded_again_from_deeper_in_the_stack():
    line = nested(max(depth for depth in range(1000) if is_decodable(nested(depth))))
    with pytest.raises(ValueError, match="that is too large"):
        called_deeper(30, lambda: decode(line))
    reject = Reject(
        "s", MarketoObject.OPPORTUNITIES, called_deeper(30, lambda: source_record(line)), ()
    )
    assert line[len(b'{"record":') : -1] in reject.json_line()


def test_standard_output_is_refused_by_every_name(tmp_path, capfd):
    with pytest.raises(OutputFileError, match="is standard output, which is for Singer messages"):
        RejectsFile("/dev/stdout")
    with pytest.raises(OutputFileError, match="is standard output, which is for Singer messages"):
        RejectsFile("/dev/fd/1")
    assert capfd.readouterr().out == ""
