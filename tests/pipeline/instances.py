"""Fixtures: two sandbox instances, the ids to look up in the first, and tap and target."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.pipeline.meltano_project import Project
from tests.pipeline.processes import BIN, Pair

__all__ = [
    "destination",
    "everything_selected",
    "output",
    "pair",
    "project",
    "source",
    "values_path",
]

OPPORTUNITIES = 700
LEADS = 120


@pytest.fixture
def source(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=OPPORTUNITIES, leads=LEADS, seed=3)


@pytest.fixture
def destination(marketo_sandbox_factory):
    return marketo_sandbox_factory(seed=4)


@pytest.fixture
def values_path(source, tmp_path):
    """Return the path of a file with the external ids of all the source's opportunities."""
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{each}\n" for each in source.instance.opportunity_ids()))
    return path


@pytest.fixture
def everything_selected(source, tmp_path):
    """Return a catalog of the source in which all streams are selected."""
    config = tmp_path / "discover.json"
    config.write_text(json.dumps({**source.credentials, "filter_values": ["x"]}))
    command = [BIN / "tap-marketo-opps", "--config", config, "--discover"]
    discovered = subprocess.run(command, check=True, capture_output=True)
    catalog = json.loads(discovered.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog))
    return path


@pytest.fixture
def output(pair, everything_selected, tmp_path) -> bytes:
    """Return all messages that the tap writes if all streams are selected."""
    config = tmp_path / "tap.json"
    config.write_text(json.dumps(pair.tap | {"start_date": "2020-01-01"}))
    command = [BIN / "tap-marketo-opps", "--config", config, "--catalog", everything_selected]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def pair(source, destination, values_path, tmp_path):
    """Return a pipe from the tap, which reads the source by filter, to the target."""
    return Pair(
        {**source.credentials, "filter_values_path": str(values_path)},
        dict(destination.credentials),
        tmp_path,
    )


@pytest.fixture
def project(source, destination, values_path, tmp_path):
    """Return a Meltano project that runs tap and target."""
    directory = tmp_path / "project"
    directory.mkdir()
    project = Project(directory, source, destination)
    project.set("TAP", filter_values_path=values_path, batch_size=100)
    # One call at a time, so that a run can be interrupted between two calls.
    project.set("TARGET", max_concurrent_calls=1)
    return project
