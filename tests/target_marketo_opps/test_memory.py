"""Test that the peak memory of the target does not depend on the input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.target_marketo_opps.helpers import calls, syncs

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("target-marketo-opps")
# The peak of a process includes the memory of its parent, so this parent is small.
LAUNCH = Path(__file__).parents[2] / "benchmarks" / "launch.py"
MEGABYTE = 1_000_000


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(limits={"enforced": False})
    sandbox.instance.add_leads([1, 2])
    return sandbox


@pytest.fixture
def peak_of(sandbox, singer, tmp_path):
    """Return the peak memory of the target for some messages, in megabytes."""

    def run(messages, **settings):
        config, told = tmp_path / "config.json", tmp_path / "told.json"
        config.write_text(
            json.dumps({**sandbox.credentials, "calls_per_20_seconds": 100, **settings})
        )
        command = [sys.executable, "-I", "-S", LAUNCH, told, COMMAND, "--config", config]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            for message in messages:
                process.stdin.write(singer.encode([message]))
            _, log = process.communicate()
        assert process.returncode == 0, log
        return json.loads(told.read_text())["peak_bytes"] / MEGABYTE

    return run


def test_memory_is_stable_with_unknown_properties(peak_of, sandbox, singer):
    text = "x" * 100_000
    messages = (singer.opportunity(f"K{n}", elsewhere=text) for n in range(5_000))
    names = ("externalOpportunityId", "name", "elsewhere")
    assert peak_of([singer.schema(properties=names), *messages]) < 150
    assert len(sandbox.instance.opportunities()) == 5_000
    assert len(syncs(sandbox)) <= 5_000 // 300 + 20


def test_memory_is_stable_with_many_versions_of_a_key(peak_of, sandbox, singer):
    text = "x" * 30_000
    messages = (singer.opportunity(f"K{n % 5}", notes=text, amount=n) for n in range(5_000))
    names = ("externalOpportunityId", "name", "notes", "amount")
    assert peak_of([singer.schema(properties=names), *messages]) < 150
    found = sandbox.instance.opportunities()
    amounts = {one["externalOpportunityId"]: int(one["amount"]) for one in found}
    assert amounts == {f"K{n}": 4_995 + n for n in range(5)}


def test_memory_is_stable_when_many_roles_are_readmitted(peak_of, sandbox, singer):
    keys, note = [f"K{n}" for n in range(12)], "x" * 6_000
    names = ("externalOpportunityId", "leadId", "role", "elsewhere")
    messages = [singer.schema("roles", names)]
    messages += [
        singer.record("roles", externalOpportunityId=key, leadId=1, role=f"R{n}", elsewhere=note)
        for n in range(1_000)
        for key in keys
    ]
    messages += [singer.schema(), *map(singer.opportunity, keys)]
    assert peak_of(messages, stream_objects={"roles": "opportunity_roles"}) < 200
    assert len(sandbox.instance.roles()) == 12_000
    assert len(calls(sandbox, "sync role")) <= 2 * 12_000 // 300 + 30
