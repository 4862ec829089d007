"""The console scripts, while the rest of the package is being imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.pipeline.meltano_project import ROOT

PLUGINS = ["tap-marketo-opps", "target-marketo-opps"]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a plugin which imports a module of the test's."""

    def run(plugin, module):
        (tmp_path / "requests.py").write_text(module)
        return subprocess.Popen(
            [sys.executable, "-m", plugin.replace("-", "_"), "--version"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )

    return run


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_signal_during_imports_ends_the_plugin_cleanly(plugin, signum, start):
    module = (
        "import sys, threading\nsys.stderr.write('importing\\n')\nsys.stderr.flush()\n"
        "threading.Event().wait()\n"
    )
    with start(plugin, module) as process:
        assert process.stderr.readline() == "importing\n"
        process.send_signal(signum)
        said = process.stderr.read()
    assert said == f"{plugin}: stopped on request, before anything was done.\n"
    assert process.returncode == 128 + signum


@pytest.mark.parametrize(
    ("error", "why"),
    [("ImportError('no requests')", "no requests"), ("MemoryError", "out of memory")],
)
@pytest.mark.parametrize("plugin", PLUGINS)
def test_an_import_that_fails_is_one_sentence(plugin, error, why, start):
    with start(plugin, f"raise {error}\n") as process:
        said = process.stderr.read()
    assert said == f"{plugin} cannot be loaded: {why}.\n"
    assert process.returncode == 1


# The beginning of an installed console script.
IMPORTED_FIRST = """
import os, re, sys
before = {*sys.modules}
import %s.console
print(*sorted({*sys.modules} - before))
"""


@pytest.mark.parametrize("package", ["tap_marketo_opps", "target_marketo_opps"])
def test_few_modules_are_imported_before_signal_handlers(package):
    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORTED_FIRST % package],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["__future__", "signal", package, f"{package}.console"]
