"""Fixtures for the tests of anything that speaks to Marketo.

Name the plugin in the topmost ``conftest.py``::

    pytest_plugins = ["marketo_sandbox.pytest_plugin"]

and ask for ``marketo_sandbox`` (an empty instance of the test's own) or for
``marketo_sandbox_factory`` (as many as wanted, each with options of its own)::

    def test_it_reads(marketo_sandbox_factory):
        sandbox = marketo_sandbox_factory(opportunities=500, seed=7, latency_ms=20)
        my_client(sandbox.endpoint, sandbox.client_id, sandbox.client_secret)
        assert [call["outcome"] for call in sandbox.journal()] == ["ok"]

A path that Marketo does not have, and an exception within the sandbox, fail the test in which they
happen, unless it takes note of them with ``sandbox.acknowledge_problems()``.
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
    """Makes and starts a sandbox; options as in ``SandboxOptions``, ``limits`` as a mapping too."""

    def __call__(self, **options: Any) -> SandboxServer:
        """Start one."""


@pytest.fixture
def marketo_sandbox_factory() -> Iterator[SandboxFactory]:
    """Start sandboxes that end with the test, and fail it if one of them was misused."""
    missing = missing_packages_message()
    if missing is not None:
        pytest.fail(missing, pytrace=False)
    from marketo_sandbox.server.server import SandboxServer  # noqa: PLC0415 - wants the extra

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
    """An empty instance of the test's own."""
    return marketo_sandbox_factory()
