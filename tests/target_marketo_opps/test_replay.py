"""Rejects are turned into Singer messages again."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from target_marketo_opps.replay import RejectsLineError, messages, replay
from tests.target_marketo_opps.helpers import stored


def reject(stream="deals", **record):
    return json.dumps({"stream": stream, "record": record}, separators=(",", ":")).encode() + b"\n"


def replayed(*lines):
    return [json.loads(line) for line in messages(lines, "'a'")]


def schema(*names, stream="deals"):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": {name: {} for name in names}},
        "key_properties": [],
    }


def record(stream="deals", **values):
    return {"type": "RECORD", "stream": stream, "record": values}


def test_a_schema_precedes_records_with_new_properties():
    assert replayed(reject(a=1), reject(a=2), reject(b=3), reject(a=4, b=5)) == [
        schema("a"),
        record(a=1),
        record(a=2),
        schema("a", "b"),
        record(b=3),
        record(a=4, b=5),
    ]


def test_each_stream_has_a_schema_of_its_own_even_without_properties():
    assert replayed(reject(), reject("roles", a=1), reject("roles"), reject()) == [
        schema(),
        record(),
        schema("a", stream="roles"),
        record("roles", a=1),
        record("roles"),
        record(),
    ]


def test_messages_are_lines():
    assert list(messages([reject(a=1)], "'a'"))[1] == (
        b'{"type":"RECORD","stream":"deals","record":{"a":1}}\n'
    )


def test_an_incomplete_line_and_blank_lines_are_skipped(caplog):
    caplog.set_level(logging.WARNING)
    lines = [reject(a=1), reject(a="long")[:-8], b"\n", b" \r\n", reject(a=2)]
    assert replayed(*lines) == [schema("a"), record(a=1), record(a=2)]
    assert [each.getMessage() for each in caplog.records] == [
        "Line 2 of 'a' is incomplete; skipped."
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b"7",
        b"x",
        b'{"stream":"deals"}',
        b'{"record":{}}',
        b'{"stream":"deals","record":null}',
        b'{"stream":"deals","record":["a"]}',
        b'{"stream":["deals"],"record":{}}',
    ],
)
def test_a_line_that_is_no_reject_is_named(line):
    with pytest.raises(RejectsLineError, match=r"^Line 3 of 'a' is not a reject written by target"):
        replayed(reject(a=1), b"\n", line)


# The program


@pytest.fixture
def printed(monkeypatch, capsysbinary, tmp_path):
    """Return a function that replays files, or standard input, and returns what is printed."""

    def run(*paths, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["replay", *map(str, paths)])
        (tmp_path / "stdin").write_bytes(stdin)
        with (tmp_path / "stdin").open() as opened:
            monkeypatch.setattr(sys, "stdin", opened)
            replay()
        return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]

    return run


def test_files_are_replayed_one_after_the_other(printed, tmp_path):
    paths = [tmp_path / "a b.jsonl", tmp_path / "c.jsonl"]
    for number, path in enumerate(paths):
        path.write_bytes(reject(number=number))
    each = [[schema("number"), record(number=number)] for number in range(2)]
    assert printed(*paths) == each[0] + each[1]


def test_without_a_file_standard_input_is_replayed(printed):
    assert printed(stdin=reject(a="\u00fc")) == [schema("a"), record(a="\u00fc")]


def test_the_file_of_a_wrong_line_is_named(printed, tmp_path):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    paths[0].write_bytes(reject(a=1))
    paths[1].write_bytes(b"{}\n")
    with pytest.raises(RejectsLineError, match=f"^Line 1 of '{paths[1]}' is not a reject "):
        printed(*paths)
    with pytest.raises(RejectsLineError, match=r"^Line 2 of standard input is not a reject "):
        printed(stdin=reject(a=1) + b"{}")


def test_a_terminal_is_not_waited_for(monkeypatch, capsys):
    mine, terminal = os.openpty()
    monkeypatch.setattr(sys, "argv", ["replay"])
    with open(terminal) as stdin:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            replay()
    os.close(mine)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("usage: python -m target_marketo_opps.replay [-h] [FILE ...]\n")
    assert told.endswith("error: name a rejects file: standard input is a terminal.\n")


@pytest.fixture
def rejecting(monkeypatch, tmp_path):
    """Return a function that replays into a target that rejects everything, and counts records.

    The target appends each record to the file `rejects` as soon as it is printed.
    """
    rejects = tmp_path / "rejects"
    counts = []

    def writelines(lines):
        for line in lines:
            counts.append(json.loads(line)["type"])
            assert counts.count("RECORD") < 10
            with rejects.open("ab", buffering=0) as file:
                file.write(reject(a=9))

    def run(*paths, stdin=None):
        target = SimpleNamespace(buffer=SimpleNamespace(writelines=writelines))
        monkeypatch.setattr(sys, "argv", ["replay", *map(str, paths)])
        monkeypatch.setattr(sys, "stdout", target)
        monkeypatch.setattr(sys, "stdin", stdin)
        replay()
        return counts.count("RECORD")

    return run


@pytest.mark.parametrize("last", [b"", reject(a=3)[:-8]])
def test_what_is_appended_during_a_replay_is_not_read(rejecting, last, tmp_path, caplog):
    path = tmp_path / "rejects"
    path.write_bytes(reject(a=1) + reject(a=2) + last)
    assert rejecting(path) == 2
    assert len(caplog.records) == bool(last)


def test_what_is_appended_before_its_turn_is_not_read(rejecting, tmp_path):
    first, rejects = tmp_path / "first", tmp_path / "rejects"
    first.write_bytes(reject(a=1))
    rejects.write_bytes(reject(a=2))
    assert rejecting(first, rejects) == 2


def test_what_is_appended_to_standard_input_is_not_read(rejecting, tmp_path):
    path = tmp_path / "rejects"
    path.write_bytes(reject(a=1) + reject(a=2) + reject(a=3))
    with path.open() as stdin:
        stdin.buffer.readline()
        assert rejecting(stdin=stdin) == 2


def test_a_pipe_is_read_to_its_end(printed):
    mine, theirs = os.pipe()
    os.write(theirs, reject(a=1))
    os.close(theirs)
    assert printed(f"/dev/fd/{mine}") == [schema("a"), record(a=1)]
    os.close(mine)


def test_a_file_that_cannot_be_read_is_named(printed, tmp_path):
    path = tmp_path / "none.jsonl"
    with pytest.raises(RejectsLineError) as caught:
        printed(path)
    assert str(caught.value) == f"'{path}' cannot be read: No such file or directory."


@pytest.mark.slow
def test_replayed_rejects_are_delivered(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    rows = [
        {"id": n, "title": f"Größe {n} \ud83d" if n == 2 else f"Größe {n}", "amount": 1.10}
        for n in range(3)
    ]
    messages = [
        singer.schema("crm", ("id", "title", "amount")),
        *(singer.record("crm", **row) for row in rows),
    ]
    settings = {
        "stream_maps": {
            "crm": {
                "__alias__": "opportunities",
                "externalOpportunityId": "str(id)",
                "name": "title",
            },
        },
    }
    broken = {"stream_maps": {"crm": {**settings["stream_maps"]["crm"], "amount": "'much'"}}}
    singer.run(
        marketo_sandbox, messages, max_rejects=-1, rejects_path=str(path), **broken
    ).succeeded()
    assert len(path.read_bytes().splitlines()) == 3
    replayed = subprocess.run(
        [sys.executable, "-m", "target_marketo_opps.replay", str(path)],
        capture_output=True,
        check=True,
    )
    again = tmp_path / "again.jsonl"
    run = singer.run(
        marketo_sandbox, replayed.stdout, max_rejects=1, rejects_path=str(again), **settings
    ).succeeded()
    assert "2 created" in run.closing
    assert stored(marketo_sandbox)["1"]["name"] == "Größe 1"
    (reject,) = map(json.loads, again.read_text().splitlines())
    assert reject["record"] == rows[2]


@pytest.mark.slow
def test_file_without_rejects_is_an_error(tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"a": 1}\n')
    replayed = subprocess.run(
        [sys.executable, "-m", "target_marketo_opps.replay", str(path)],
        capture_output=True,
        check=False,
    )
    assert replayed.returncode == 1
    assert f"Line 1 of '{path}' is not a reject" in replayed.stderr.decode()
    assert b"Traceback" not in replayed.stderr


@pytest.mark.slow
def test_full_disk_for_messages_does_not_name_the_rejects_file(tmp_path):
    path = tmp_path / "rejects.jsonl"
    path.write_bytes(b'{"stream":"deals","record":{"id":"a"}}\n' * 10_000)
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [sys.executable, "-m", "target_marketo_opps.replay", str(path)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == 1
    assert b"No space left on device" in ended.stderr
    assert str(path).encode() not in ended.stderr


@pytest.mark.slow
def test_help_names_the_input():
    command = [sys.executable, "-m", "target_marketo_opps.replay", "--help"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "default: standard input" in " ".join(told.split())
