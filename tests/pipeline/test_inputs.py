"""Small inputs as users have them, each given to a plugin process with one sandbox."""

from __future__ import annotations

import json
import re

import pytest

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tests.pipeline.compare import held, values
from tests.pipeline.situations import PluginServer, read, situations, write_files

pytestmark = pytest.mark.xdist_group("inputs")

DEALS = [
    {"externalOpportunityId": name, "name": f"The deal {name}", "amount": "12.50"}
    for name in ("A-1", "A-2", "A-3")
]
ROLES = [{"externalOpportunityId": "A-1", "leadId": lead, "role": "Champion"} for lead in (11, 12)]


@pytest.fixture(scope="module")
def sandbox():
    """Return a sandbox with three opportunities, the first of which has roles of two leads."""
    with SandboxServer(SandboxOptions(limits={"enforced": False})) as server:
        server.instance.add_leads([11, 12])
        client = MarketoClient(ConnectionSettings.from_config(server.credentials))
        for obj, records in (
            (MarketoObject.OPPORTUNITIES, DEALS),
            (MarketoObject.OPPORTUNITY_ROLES, ROLES),
        ):
            client.sync(obj, [json.dumps(each).encode() for each in records], action="createOnly")
        client.close()
        yield server
        assert server.problems == []


@pytest.fixture(scope="module")
def plugins():
    server = PluginServer()
    yield server
    server.close()


def _check_what_it_says(situation, ended):
    for words in situation.get("says", []):
        wanted = words.replace("{directory}", str(ended.directory))
        assert wanted in " ".join(ended.stderr.split()), ended.stderr
    for words in situation.get("says_not", []):
        assert words not in ended.stderr + ended.stdout
    errors = re.findall(r"^.*\| (?:ERROR|CRITICAL) .*$", ended.stderr, re.MULTILINE)
    assert bool(errors) == (ended.code == 1), ended.stderr
    assert errors[-1:] == (ended.stderr.splitlines()[-1:] if errors else [])


def _check_what_comes(situation, ended):
    for stream, ids in situation.get("records", {}).items():
        assert ended.ids(stream) == ids, ended.stderr
    if "schemas" in situation:
        assert ended.streams("SCHEMA") == situation["schemas"]
    if "bookmarks" in situation:
        assert sorted(ended.states[-1]["bookmarks"]) == situation["bookmarks"]
    if "states" in situation:
        assert ended.states == situation["states"]
    for words in situation.get("prints", []):
        assert words in ended.stdout


def _check_the_instance(situation, ended, sandbox):
    stored = held(sandbox)
    for key, fields in situation.get("instance", {}).items():
        if fields is None:
            assert key not in stored
        else:
            found = {name: value for name, value in stored[key].items() if name in fields}
            assert found == values(fields)
    for key, leads in situation.get("roles", {}).items():
        roles = [one for one in sandbox.instance.roles() if one["externalOpportunityId"] == key]
        assert sorted(one["leadId"] for one in roles) == leads


def _check_the_rejects(situation, ended):
    kept = (ended.directory / "rejects.jsonl").read_text()
    assert all(words in kept for words in situation.get("keeps", []))
    reasons = [reason for line in kept.splitlines() for reason in json.loads(line)["reasons"]]
    told = [f"{reason['code']} {reason['message']}" for reason in reasons]
    wanted = situation["rejects"]
    assert [one[: len(words)] for one, words in zip(told, wanted, strict=True)] == wanted, told


@pytest.mark.parametrize("path", situations(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_situation(path, sandbox, plugins, tmp_path):
    situation = read(path)
    write_files(situation, tmp_path)

    config = {**sandbox.credentials, **situation.get("config", {})}
    ended = plugins.run(path.parent.name, situation, tmp_path, config)

    assert ended.code == situation["exit"], ended.stderr
    assert "Traceback" not in ended.stderr
    assert sandbox.client_secret not in ended.stderr + ended.stdout
    _check_what_it_says(situation, ended)
    _check_what_comes(situation, ended)
    _check_the_instance(situation, ended, sandbox)
    if "rejects" in situation:
        _check_the_rejects(situation, ended)
