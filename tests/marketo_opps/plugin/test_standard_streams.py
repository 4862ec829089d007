"""What a process gets for standard streams that its parent has closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# Closes the given descriptors as a parent would have, reopens them, and tells what they are now.
SCRIPT = """
import errno, json, os, sys
from marketo_opps.plugin.standard_streams import reopen_closed_streams

names = ("stdin", "stdout", "stderr")
kept = [getattr(sys, name) for name in names]
before = len(os.listdir("/dev/fd"))
reopen_closed_streams()

def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def write(stream):
    stream.write("x")
    stream.flush()

told = {
    "same": [name for name, was in zip(names, kept) if getattr(sys, name) is was],
    "descriptors": [getattr(sys, name).fileno() for name in names],
    "null": [os.path.samestat(os.fstat(each), os.stat(os.devnull)) for each in range(3)],
    "encodings": [getattr(sys, name).encoding for name in names],
    "stdin": attempt(lambda: sys.stdin.read()),
    "stdout": attempt(lambda: write(sys.stdout)),
    "stderr": attempt(lambda: write(sys.stderr)),
    "further": len(os.listdir("/dev/fd")) - before,
}
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
os._exit(0)
"""


# The lowest free descriptor is then another one than that of the closed stream.
LATER = """
import os, sys
from marketo_opps.plugin.standard_streams import reopen_closed_streams

os.close(0)
reopen_closed_streams()
null = os.stat(os.devnull)
assert os.path.samestat(os.fstat(1), null) and sys.stdout.fileno() == 1
assert os.open(os.devnull, os.O_RDONLY) == 0
os._exit(0)
"""


@pytest.mark.slow
def test_a_closed_stream_gets_its_own_descriptor():
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", LATER]
    subprocess.run(command, stdin=subprocess.PIPE, timeout=30, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [[], [0], [1], [2], [0, 2], [0, 1, 2]])
def test_only_closed_streams_become_the_null_device(closed, tmp_path):
    names = ("stdin", "stdout", "stderr")
    path = tmp_path / "told.json"
    closing = f'exec "$@" {"".join(f" {each}>&-" for each in closed)}'
    subprocess.run(
        ["sh", "-c", closing, "sh", sys.executable, "-c", SCRIPT, str(path)],
        stdin=subprocess.PIPE,
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "", "LC_ALL": "C.UTF-8"},
        timeout=30,
        check=True,
    )
    told = json.loads(path.read_text())
    assert told["same"] == [name for each, name in enumerate(names) if each not in closed]
    assert told["descriptors"] == [0, 1, 2]
    assert told["null"] == [each in closed for each in range(3)]
    assert [told["encodings"][each] for each in closed] == ["utf-8"] * len(closed)
    assert told["stdin"] == ("EBADF" if 0 in closed else "done")
    assert told["stdout"] == ("EBADF" if 1 in closed else "done")
    assert told["stderr"] == "done"
    assert told["further"] == len(closed)
