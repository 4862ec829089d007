"""Fixtures: third-party programs, the instances of tests/pipeline, and a PostgreSQL server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop import postgres
from tests.pipeline.instances import *  # noqa: F403 - fixtures

INTEROP = Path(sys.prefix) / "interop"


@pytest.fixture(scope="session")
def third_party():
    """Return a function that finds a third-party program in the environments of `make test`."""

    def find(name: str) -> Path:
        paths = sorted(INTEROP.glob(f"*/bin/{name}"))
        if not paths:
            pytest.skip(f"{name} is not installed: `make test` does that")
        return paths[0]

    return find


@pytest.fixture(scope="session")
def server():
    """Yield one PostgreSQL server for all tests, which therefore run in one worker process."""
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
    """Return a new empty database."""
    return server.create_database()
