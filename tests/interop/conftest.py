"""Other people's tools, the instances of tests/pipeline, and a PostgreSQL where there is one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop import postgres
from tests.pipeline.instances import *  # noqa: F403 - fixtures

INTEROP = Path(sys.prefix) / "interop"


@pytest.fixture(scope="session")
def third_party():
    """The path of another people's program, from an environment that `make test` has made."""

    def find(name: str) -> Path:
        paths = sorted(INTEROP.glob(f"*/bin/{name}"))
        if not paths:
            pytest.skip(f"{name} is not installed: `make test` does that")
        return paths[0]

    return find


@pytest.fixture(scope="session")
def server():
    """One server for all tests of a process, so they are kept together on one."""
    found = postgres.programs()
    if found is None:
        pytest.skip("no PostgreSQL on this machine")
    server = postgres.Server(found)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def database(server):
    """An empty database of the test's own."""
    return server.create_database()
