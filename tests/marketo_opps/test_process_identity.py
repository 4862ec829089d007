"""Processes are told apart even if their IDs are reused, and reboots too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from marketo_opps import process_identity
from marketo_opps.process_identity import ProcessIdentity, start_of


def test_a_process_that_does_not_exist_has_not_started():
    assert start_of(2**22 + 1) is None


def test_a_process_whose_name_has_blanks_and_brackets_is_read(monkeypatch, tmp_path):
    stat = tmp_path / "7"
    fields = ["S", *map(str, range(4, 22)), "12345", *map(str, range(23, 53))]
    stat.write_text(f"7 (odd) S 1 (name) {' '.join(fields)}\n")
    monkeypatch.setattr(process_identity, "_STAT_OF_PROCESS", f"{tmp_path}/{{}}")
    assert start_of(7) == "12345"
    stat.write_text(f"7 (dead) {' '.join(['Z', *fields[1:]])}\n")
    assert start_of(7) is None


def test_the_boot_id_is_that_of_the_kernel(monkeypatch, tmp_path):
    path = tmp_path / "boot_id"
    path.write_text("0f-1\n")
    monkeypatch.setattr(process_identity, "BOOT_ID", path)
    assert process_identity.boot_id() == "0f-1"


def test_a_process_is_known_until_it_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    code = f"from marketo_opps.process_identity import start_of; print(start_of({child.pid}))"
    started = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    identity = ProcessIdentity(child.pid, started)
    assert identity.is_running()
    assert not ProcessIdentity(child.pid, f"{started}0").is_running()
    child.kill()
    # Dead, though its parent has not asked for its exit status yet.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_running()
    child.wait()
    child.stdin.close()
    assert not identity.is_running()


def test_the_running_process_is_running():
    assert ProcessIdentity.current().pid == os.getpid()
    assert ProcessIdentity.current().is_running()


def test_without_proc_ps_tells_when_a_process_started(monkeypatch, tmp_path):
    monkeypatch.setattr("marketo_opps.process_identity.BOOT_ID", tmp_path / "none")
    mine = ProcessIdentity.current()
    assert mine.started.count(":") == 2
    assert mine.is_running()
    assert not ProcessIdentity(mine.pid, "Thu Jan  1 00:00:00 1970").is_running()
    assert not ProcessIdentity(2**22 + 1, mine.started).is_running()


def test_without_proc_sysctl_tells_the_boot(monkeypatch, tmp_path):
    monkeypatch.setattr("marketo_opps.process_identity.BOOT_ID", tmp_path / "none")
    program = tmp_path / "sysctl"
    program.write_text('#!/bin/sh\necho "of $2"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert process_identity.boot_id() == "of kern.bootsessionuuid"
    program.unlink()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(OSError, match="sysctl printed nothing"):
        process_identity.boot_id()
