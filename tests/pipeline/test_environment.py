"""The environment of a plugin process: file descriptors, memory limits."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

from tests.pipeline.processes import BIN

PLUGINS = ["tap-marketo-opps", "target-marketo-opps"]
SCHEMA = {"properties": {"externalOpportunityId": {}, "name": {}}}
INPUT = [
    {"type": "SCHEMA", "stream": "opportunities", "schema": SCHEMA, "key_properties": []},
    {
        "type": "RECORD",
        "stream": "opportunities",
        "record": {"externalOpportunityId": "D-1", "name": "A deal"},
    },
]
# Sets the named limit of the process, and then executes the plugin.
LIMITED = """
import os, resource, sys
which, limit, *command = sys.argv[1:]
which = getattr(resource, which)
resource.setrlimit(which, (int(limit), resource.getrlimit(which)[1]))
for _ in range(1100 if which == resource.RLIMIT_NOFILE else 0):
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
os.execv(command[0], command)
"""


@pytest.fixture
def config(marketo_sandbox, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(marketo_sandbox.credentials))
    return path


def limited(plugin, which, limit, *options, **environment):
    """Run a plugin under a resource limit; it must exit with 0 or with one sentence."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, which, str(limit), BIN / plugin, *options],
        input="".join(json.dumps(message) + "\n" for message in INPUT),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_target_with_many_inherited_descriptors_delivers(config, marketo_sandbox):
    done = limited("target-marketo-opps", "RLIMIT_NOFILE", 4096, "--config", config)
    assert done.returncode == 0, done.stderr
    assert marketo_sandbox.instance.opportunity_ids() == ["D-1"]


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("mebibytes", [40, 70, 100])
def test_little_address_space_gives_success_or_one_sentence(
    plugin, mebibytes, config, marketo_sandbox, tmp_path
):
    # joblib finds it here, among the development tools, and it ends the process by itself.
    (tmp_path / "numpy.py").write_text("raise ImportError")
    config.write_text(json.dumps({**marketo_sandbox.credentials, "max_concurrent_calls": 1}))
    done = limited(
        *(plugin, "RLIMIT_AS", mebibytes * 2**20, "--config", config, "--config=ENV"),
        PYTHONPATH=str(tmp_path),
        TAP_MARKETO_OPPS_FILTER_VALUES="D-1",
    )
    if done.returncode:
        last = done.stderr.splitlines()[-1]
        assert "memory" in last or "cannot be loaded" in last, done.stderr


def test_this_machine_allows_enough_file_descriptors():
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 4096
