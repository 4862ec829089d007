"""Pytest fixtures for testing Marketo clients against a sandbox.

Name the plugin in the topmost ``conftest.py``::

    pytest_plugins = ["marketo_sandbox.pytest_plugin"]

Then use the fixture ``marketo_sandbox`` (an empty instance for the test) or
``marketo_sandbox_factory`` (starts any number of instances, with options)::

    def test_it_reads(marketo_sandbox_factory):
        sandbox = marketo_sandbox_factory(opportunities=500, seed=7, latency_ms=20)
        my_client(sandbox.endpoint, sandbox.client_id, sandbox.client_secret)
        assert [call["outcome"] for call in sandbox.journal()] == ["ok"]

A call to an unknown path, or an exception within the sandbox, fails the test in which it happens,
unless the test calls ``sandbox.acknowledge_problems()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from marketo_sandbox.optional_dependencies import missing_packages_message
from marketo_sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marketo_sandbox.server.server import SandboxServer


class SandboxFactory(Protocol):
    """The type of the fixture ``marketo_sandbox_factory``: a function that starts a sandbox."""

    def __call__(self, **options: Any) -> SandboxServer:
        """Start a sandbox with the given options (members of ``SandboxOptions``), and return it."""


@pytest.fixture
def marketo_sandbox_factory() -> Iterator[SandboxFactory]:
    """Yield a function that starts a sandbox, and stop all started sandboxes after the test.

    The test fails if one of its sandboxes reports a problem.
    """
    missing = missing_packages_message()
    if missing is not None:
        pytest.fail(missing, pytrace=False)
    from marketo_sandbox.server.server import SandboxServer  # noqa: PLC0415 - needs the extra

    servers: list[SandboxServer] = []

    def start(**options: Any) -> SandboxServer:
        servers.append(SandboxServer(SandboxOptions(**options)))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()
    problems = [problem for server in servers for problem in server.problems]
    if problems:
        pytest.fail("in the sandbox: " + "\n".join(problems), pytrace=False)


@pytest.fixture
def marketo_sandbox(marketo_sandbox_factory: SandboxFactory) -> SandboxServer:
    """Start an empty sandbox for the test, and return it."""
    return marketo_sandbox_factory()
