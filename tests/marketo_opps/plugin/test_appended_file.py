"""Files that runs append to: which paths are refused, and when lines are on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

import pytest

from marketo_opps.plugin.appended_file import AppendedFile
from marketo_opps.plugin.errors import OutputFileError

has_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def opened(path):
    return AppendedFile("some_path", str(path), consequence="Nothing is stored.")


@contextlib.contextmanager
def stdout_to(path):
    """Let descriptor 1 refer to a file, or to nothing, as a shell does before it runs a command."""
    kept = os.dup(1)
    try:
        os.close(1)
        if path is not None:
            assert os.open(path, os.O_WRONLY | os.O_CREAT) == 1
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def refusal(path):
    with pytest.raises(OutputFileError) as caught:
        opened(path)
    return str(caught.value)


@pytest.mark.parametrize("stdout", ["out.jsonl", pytest.param("/dev/full", marks=has_full)])
def test_the_file_or_device_of_standard_output_is_refused(stdout, tmp_path):
    path = tmp_path / stdout
    with stdout_to(path):
        told = refusal(path)
    assert told == (
        f"some_path '{path}' is standard output, which is for Singer messages. Name a file."
    )


@pytest.mark.parametrize("stdout", ["out.jsonl", None, os.devnull])
def test_another_file_than_standard_output_is_taken(stdout, tmp_path):
    other = tmp_path / "other.jsonl"
    other.touch()
    with stdout_to(stdout and tmp_path / stdout):
        file = opened(other)
        file.write(b"a\n")
        file.close()
    assert other.read_bytes() == b"a\n"


def test_the_null_device_is_taken_even_if_it_is_stdout():
    with stdout_to(os.devnull):
        file = opened(os.devnull)
        file.write(b"a\n")
        file.close()


@pytest.fixture
def stdin_of():
    """Return a function that lets descriptor 0 refer to a file until the end of the test."""
    kept = os.dup(0)

    def replace(path):
        opened = os.open(path, os.O_RDONLY)
        os.dup2(opened, 0)
        os.close(opened)

    yield replace
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.parametrize("name", ["in.jsonl", "link.jsonl", "/dev/stdin"])
def test_the_file_of_standard_input_is_refused(name, stdin_of, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b"{}")
    (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    stdin_of(tmp_path / "in.jsonl")
    path = tmp_path / name
    assert refusal(path) == (
        f"some_path '{path}' is the file of standard input, which a run must not change. Name "
        "another file."
    )
    assert (tmp_path / "in.jsonl").read_bytes() == b"{}"


def test_the_null_device_is_taken_even_if_it_is_stdin(stdin_of):
    stdin_of(os.devnull)
    opened(os.devnull).close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_path_whose_opening_could_block_is_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "pipe":
            os.mkfifo("it")
        else:
            listener.bind("it")
        told = refusal("it")
    assert told == "some_path 'it' is a pipe, which stores nothing. Name a file."


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no/such/file", "No such file or directory"),
        ("a\0b", "it is not a valid path"),
        ("a\ud800", "it is not a valid path"),
    ],
)
def test_a_path_that_cannot_be_opened_is_told_with_the_reason(path, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(path) == (
        f"some_path '{path}' cannot be opened: {why}. Name a file in a directory that exists and "
        "that this user may write to."
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"b\n"), (b"", b"b\n"), (b"\n", b"\nb\n"), (b"a\n", b"a\nb\n"), (b"a", b"a\nb\n")],
)
def test_a_line_begins_a_line_whatever_the_file_held(before, after, tmp_path):
    path = tmp_path / "lines"
    if before is not None:
        path.write_bytes(before)
    file = opened(path)
    file.write(b"b\n")
    file.close()
    assert path.read_bytes() == after


def test_lines_are_buffered_until_they_are_flushed(tmp_path):
    file = opened(tmp_path / "lines")
    file.write(b"a\n")
    assert (tmp_path / "lines").read_bytes() == b""
    file.flush()
    assert (tmp_path / "lines").read_bytes() == b"a\n"
    file.close()


def test_nothing_is_added_to_a_device(tmp_path):
    """Open a terminal, which has no last line."""
    mine, terminal = os.openpty()
    file = opened(os.ttyname(terminal))
    file.close()
    os.close(terminal)
    with pytest.raises(OSError, match="Input/output error"):
        os.read(mine, 1)
    os.close(mine)


@has_full
def test_a_full_disk_is_told_with_what_is_missing():
    file = opened("/dev/full")
    file.write(b"a\n")
    told = "some_path '/dev/full' cannot be written: No space left on device. Nothing is stored."
    for action in (file.flush, file.close):
        with pytest.raises(OutputFileError) as caught:
            action()
        assert str(caught.value) == told


def test_a_file_system_that_cannot_sync_is_no_error(tmp_path, monkeypatch):
    def refuse(_descriptor):
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    file = opened(tmp_path / "lines")
    file.write(b"a\n")
    file.close()
    assert (tmp_path / "lines").read_bytes() == b"a\n"
