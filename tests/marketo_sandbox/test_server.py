"""The server in a test's own process."""

from __future__ import annotations

import socket
import threading

import pytest

from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tests.pipeline.processes import await_that


def test_a_server_can_be_stopped_and_started_again(start, caller_of):
    sandbox = start(opportunities=3)
    caller = caller_of(sandbox)
    endpoint = sandbox.endpoint
    sandbox.stop(close=False)
    with pytest.raises(OSError):
        caller.get("/rest/v1/stats/usage.json")
    sandbox.start()
    assert sandbox.endpoint == endpoint
    assert len(caller.find(["OPP-0000001"])["result"]) == 1


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"dialects": {"tokens"}}, "unknown dialect 'tokens': must be one of tokens-only, "),
        ({"permissions": {"Read Only"}}, "unknown permission 'Read Only': must be one of Read-"),
        ({"crm_sync": "readonly"}, "unknown crm_sync 'readonly': must be one of read-only, dis"),
    ],
)
def test_an_unknown_value_of_an_option_is_refused(options, refusal):
    with pytest.raises(ValueError, match=refusal):
        SandboxOptions(**options)


def is_listening(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_stop_waits_for_calls_in_flight(start_held, caller_of, latency):
    sandbox = start_held()
    caller = caller_of(sandbox)
    sandbox.fault("slow", seconds=30)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(caller.get("/rest/v1/stats/usage.json"))
    )
    thread.start()
    await_that(lambda: sandbox.instance.limits.in_flight)
    stopping = threading.Thread(target=sandbox.stop)
    stopping.start()
    await_that(lambda: not is_listening(sandbox.port))
    assert answers == []
    latency.ended.set()
    stopping.join()
    thread.join()
    assert answers[0]["success"]


def test_a_request_with_an_incomplete_body_is_ignored(sandbox, api):
    head = (
        "POST /rest/v1/opportunities.json HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n"
        f"Authorization: {api.session.headers['Authorization']}\r\n\r\n"
    )
    port = int(sandbox.endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head.encode() + b'{"input":[{"externalOpportunityId":"a"')
    assert api.get("/rest/v1/stats/usage.json")["success"]
    assert [each["operation"] for each in sandbox.journal()] == ["identity", "usage"]


def test_a_server_accepts_an_existing_instance(caller_of):
    instance = Instance(SandboxOptions(opportunities=2))
    with SandboxServer(instance) as sandbox:
        assert len(caller_of(sandbox).find(["OPP-0000002"])["result"]) == 1


def test_the_server_listens_on_loopback_only(sandbox):
    assert sandbox.endpoint.startswith("http://127.0.0.1:")


def test_limits_are_accepted_as_a_mapping():
    instance = Instance(SandboxOptions(limits={"enforced": False, "daily_calls": 7}))
    assert not instance.limits.options.enforced
    assert instance.limits.options.daily_calls == 7
    instance.close()
    with pytest.raises(TypeError):
        SandboxOptions(limits={"nonsense": 1})
