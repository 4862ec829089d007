"""Tests of writing lines to standard output."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from singer_sdk.singerlib import SchemaMessage

from tap_marketo_opps.singer_writer import MessageWriter


class BarePipe(io.BytesIO):
    """An unbuffered stdout, where a write may write only a part."""

    def write(self, data):
        return super().write(bytes(data[:7]))


def test_a_write_that_is_cut_short_resumes_where_it_stopped(monkeypatch):
    pipe = BarePipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    lines = b'{"type":"STATE","value":{}}\n' * 3
    MessageWriter().write(lines)
    assert pipe.getvalue() == lines


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
