"""Two instances on loopback, and a pair between them."""

from __future__ import annotations

import pytest

from marketo_opps.sandbox.pytest_plugin import (  # noqa: F401 - fixtures
    marketo_sandbox,
    marketo_sandbox_factory,
)
from tests.pipeline.processes import Pair

OPPORTUNITIES = 700
LEADS = 120


@pytest.fixture
def source(marketo_sandbox_factory):  # noqa: F811 - the fixture above
    return marketo_sandbox_factory(opportunities=OPPORTUNITIES, leads=LEADS, seed=3)


@pytest.fixture
def destination(marketo_sandbox_factory):  # noqa: F811 - the fixture above
    return marketo_sandbox_factory(seed=4)


@pytest.fixture
def values_path(source, tmp_path):
    """The ids of every opportunity of the source, one a line."""
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{each}\n" for each in source.instance.opportunity_ids()))
    return path


@pytest.fixture
def pair(source, destination, values_path, tmp_path):
    """The tap on the source, by filter, and the target on the destination."""
    return Pair(
        {**source.credentials, "filter_values_path": str(values_path)},
        dict(destination.credentials),
        tmp_path,
    )
