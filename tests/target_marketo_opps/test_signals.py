"""Test how the process ends: signals, slow or closed readers, full disks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.processes import await_that
from tests.target_marketo_opps.helpers import stored, syncs

pytestmark = [pytest.mark.slow, pytest.mark.waits]


def page(singer, number):
    records = [singer.opportunity(f"P{number}-{n}") for n in range(300)]
    return [*records, singer.state(number)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_waiting_for_input_ends_without_new_calls(
    marketo_sandbox,
    singer,
    start_target,
    number,
):
    process = start_target(marketo_sandbox)
    process.send([singer.schema(), *page(singer, 1), singer.opportunity("open"), singer.state(2)])
    await_that(lambda: [call for call in syncs(marketo_sandbox) if call["outcome"] == "ok"])
    time.sleep(0.3)
    began = time.monotonic()
    process.signal(number)
    code, states, log = process.end()
    assert code == 128 + number
    assert time.monotonic() - began < 8
    assert states == [1]
    assert len(syncs(marketo_sandbox)) == 1
    assert "Traceback" not in log
    assert "300 created" in log


def test_states_of_calls_in_flight_are_written_after_a_signal(
    marketo_sandbox_factory,
    singer,
    start_target,
):
    sandbox = marketo_sandbox_factory(latency_ms=1000)
    process = start_target(sandbox)
    process.send([singer.schema(), *page(singer, 1), singer.opportunity("open"), singer.state(2)])
    await_that(lambda: syncs(sandbox))
    process.signal(signal.SIGTERM)
    code, states, _ = process.end()
    assert code == 143
    assert states == [1]
    assert len(stored(sandbox)) == 300


def test_call_longer_than_the_grace_period_is_not_awaited(
    marketo_sandbox_factory,
    singer,
    start_target,
):
    sandbox = marketo_sandbox_factory()
    sandbox.fault("slow", seconds=13, operation="sync opportunity")
    process = start_target(sandbox)
    process.send([singer.schema(), *page(singer, 1)])
    await_that(lambda: syncs(sandbox))
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code, states, _ = process.end()
    assert code == 143
    assert states == []
    assert time.monotonic() - began > 9
    assert [call["outcome"] for call in syncs(sandbox)] == ["in flight"]


@pytest.mark.parametrize(
    ("operation", "dry_run"), [("describe opportunity", False), ("usage", True)]
)
def test_other_blocked_work_ends_after_the_grace_period(
    marketo_sandbox_factory, singer, start_target, operation, dry_run
):
    sandbox = marketo_sandbox_factory()
    sandbox.fault("slow", seconds=13, operation=operation)
    process = start_target(sandbox, dry_run=dry_run)
    process.send([singer.schema(), singer.opportunity("a")])
    process.popen.stdin.close()
    await_that(lambda: sandbox.journal(operation=operation))
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    process.popen.stdin = None
    out, log = process.popen.communicate(timeout=30)
    assert process.popen.returncode == 143
    assert time.monotonic() - began > 9
    assert out == b""
    assert b"Stopped on request: calls in flight did not finish in time." in log
    assert re.search(rb" calls?, 0 retries, ", log)
    assert b"Traceback" not in log


def test_a_second_signal_ends_the_process_at_once(marketo_sandbox_factory, singer, start_target):
    sandbox = marketo_sandbox_factory()
    sandbox.fault("slow", seconds=9, operation="sync opportunity")
    process = start_target(sandbox)
    process.send([singer.schema(), *page(singer, 1)])
    await_that(lambda: syncs(sandbox))
    process.signal(signal.SIGTERM)
    time.sleep(0.3)
    process.signal(signal.SIGINT)
    code, states, _ = process.end()
    assert code == 130
    assert states == []
    assert [call["outcome"] for call in syncs(sandbox)] == ["in flight"]


def test_a_signal_ends_retries(marketo_sandbox, singer, start_target):
    marketo_sandbox.fault("611", operation="sync opportunity")
    process = start_target(marketo_sandbox)
    process.send([singer.schema(), *page(singer, 1)])
    await_that(lambda: len(syncs(marketo_sandbox)) >= 2)
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code, states, _ = process.end()
    assert code == 143
    assert states == []
    assert time.monotonic() - began < 5


def test_a_broken_stdout_ends_the_run_with_one_sentence(marketo_sandbox, singer, start_target):
    reader, writer = os.pipe()
    process = start_target(marketo_sandbox, stdout=writer)
    os.close(writer)
    os.close(reader)
    process.send([singer.schema(), *page(singer, 1)])
    code, _, log = process.end()
    assert code == 1
    assert "STATE cannot be written to standard output: Broken pipe." in log
    assert "Traceback" not in log


def test_a_full_stdout_ends_the_run_with_one_sentence(marketo_sandbox, singer, start_target):
    with Path("/dev/full").open("wb") as full:
        process = start_target(marketo_sandbox, stdout=full)
    process.send([singer.schema(), *page(singer, 1)])
    code, _, log = process.end()
    assert code == 1
    assert "No space left on device" in log
    assert "Traceback" not in log


def test_signal_ends_a_blocked_write_to_stdout(
    marketo_sandbox,
    singer,
    start_target,
):
    reader, writer = os.pipe()
    process = start_target(marketo_sandbox, stdout=writer)
    os.close(writer)
    try:
        process.send([singer.schema(), singer.opportunity("a"), singer.state("x" * 300_000)])
        process.popen.stdin.close()
        process.popen.stdin = None
        await_that(lambda: [call for call in syncs(marketo_sandbox) if call["outcome"] == "ok"])
        time.sleep(0.5)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        _, log = process.popen.communicate(timeout=20)
        assert process.popen.returncode == 143
        # Within the grace period, after which the process would be ended without closing anything.
        assert time.monotonic() - began < 9
        assert b"its reader has stopped reading" in log
        assert b"Traceback" not in log
    finally:
        os.close(reader)


def test_a_slow_reader_of_stdout_gets_every_state_whole(marketo_sandbox, singer, start_target):
    process = start_target(marketo_sandbox)
    text = "x" * 500_000
    process.send([singer.schema(), singer.opportunity("a"), singer.state(text)])
    process.popen.stdin.close()
    await_that(lambda: [call for call in syncs(marketo_sandbox) if call["outcome"] == "ok"])
    time.sleep(1)
    process.popen.stdin = None
    out, _ = process.popen.communicate(timeout=30)
    assert out.decode() == f'"{text}"\n'
    assert process.popen.returncode == 0


def test_open_batch_is_not_sent_during_a_short_silence(
    marketo_sandbox,
    singer,
    start_target,
):
    process = start_target(marketo_sandbox)
    process.send([singer.schema(), singer.opportunity("a"), singer.state(1)])
    await_that(marketo_sandbox.journal)
    time.sleep(1)
    assert syncs(marketo_sandbox) == []
    code, states, _ = process.finish()
    assert (code, states) == (0, [1])


def test_a_rejects_file_that_cannot_be_opened_costs_no_call(
    marketo_sandbox,
    singer,
    start_target,
    tmp_path,
):
    path = tmp_path / "missing" / "rejects.jsonl"
    process = start_target(marketo_sandbox, rejects_path=str(path))
    process.send([singer.schema(), *page(singer, 1)])
    code, states, log = process.end()
    assert (code, states) == (1, [])
    assert f"rejects_path '{path}' cannot be opened: No such file or directory." in log
    assert "Traceback" not in log
    assert marketo_sandbox.journal() == []


def test_full_disk_for_rejects_holds_later_states(marketo_sandbox, singer, start_target):
    process = start_target(marketo_sandbox, rejects_path="/dev/full", max_rejects=5)
    messages = [singer.schema(), *page(singer, 1), singer.opportunity("bad", name="")]
    process.send([*messages, *page(singer, 2)])
    code, states, log = process.finish()
    assert code == 1
    assert 2 not in states
    assert "rejects_path '/dev/full' cannot be written: No space left on device." in log
    assert "All rejected records were written to" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("max_rejects", [0, 1])
def test_unwritten_rejects_are_not_logged_as_written(
    marketo_sandbox, singer, start_target, max_rejects
):
    process = start_target(marketo_sandbox, rejects_path="/dev/full", max_rejects=max_rejects)
    process.send([singer.schema(), singer.opportunity("bad", name="")])
    code, _, log = process.finish()
    assert code == 1
    assert "rejects_path '/dev/full' cannot be written: No space left on device." in log
    assert "All rejected records were written to" not in log
    assert "1 rejected; " in log
    assert "Traceback" not in log


def test_an_empty_stdin_is_a_clean_end(marketo_sandbox, start_target):
    code, states, log = start_target(marketo_sandbox).finish()
    assert (code, states) == (0, [])
    assert "Traceback" not in log
    assert marketo_sandbox.journal() == []


def test_no_secret_is_quoted_when_a_setting_is_wrong(marketo_sandbox, start_target):
    process = start_target(marketo_sandbox, client_secret=["hush-hush"])
    code, _, log = process.finish()
    assert code == 1
    assert "client_secret" in log
    assert "hush-hush" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        (">&-", 1, "STATE cannot be written to standard output: Bad file descriptor."),
        ("<&-", 1, "Reading or writing failed: Bad file descriptor."),
        ("2>&-", 0, ""),
    ],
)
def test_closed_standard_stream_is_an_error_in_one_sentence(  # noqa: PLR0917 - fixtures and parameters
    marketo_sandbox, singer, tmp_path, closed, code, said
):
    config = tmp_path / "config.json"
    # A file that is opened would get the descriptor of a closed stream.
    settings = {"rejects_path": str(tmp_path / "rejects.jsonl"), "max_rejects": 1}
    config.write_text(json.dumps({**marketo_sandbox.credentials, **settings}))
    command = Path(sys.executable).with_name("target-marketo-opps")
    ended = subprocess.run(
        ["bash", "-c", f'exec "$0" --config "$1" {closed}', command, config],
        input=singer.encode([singer.schema(), singer.opportunity("A"), singer.state(1)]),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == code
    assert said in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr
    assert ended.stdout == (b"" if code else b"1\n")
    assert (tmp_path / "rejects.jsonl").read_bytes() == b""
