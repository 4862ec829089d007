from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from marketo_opps.wire import encode_record
from tests.tap_marketo_opps.helpers import by_lead_ids
from tests.tap_marketo_opps.reconcile.preparation import ROWS, Prepared
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES, Warehouse


class Lines(logging.Handler):
    """Keeps the lines that the tap logs."""

    def __init__(self):
        super().__init__()
        self.all = []

    def emit(self, record):
        self.all.append((record.levelname, record.getMessage()))

    def having(self, words):
        return [line for _, line in self.all if words in line]

    @property
    def warnings(self):
        return [line for level, line in self.all if level == "WARNING"]


@dataclass
class Scene:
    """An instance, a warehouse of it, and a tap between them."""

    sandbox: object
    sync: object
    folder: object
    client: MarketoClient
    lines: Lines
    state: dict | None = None
    files: list = field(default_factory=list)

    def sweep(self, stream=OPPORTUNITIES, **settings):
        """Load all records by a backfill, and keep the state."""
        output = self.sync(by_lead_ids(self.sandbox, **settings))
        self.state = output.state
        return Warehouse(output, stream)

    def both(self):
        output = self.sync(by_lead_ids(self.sandbox))
        self.state = output.state
        return Warehouse(output, OPPORTUNITIES), Warehouse(output, ROLES)

    def file(self, name="rows.csv"):
        return self.folder / name

    def delete(self, guids, stream=OPPORTUNITIES):
        keys = [encode_record({"marketoGUID": guid}) for guid in guids]
        for start in range(0, len(keys), 300):
            some = keys[start : start + 300]
            self.client.delete(MarketoObject(stream), some, delete_by="idField")

    def change(self, warehouse, guids, **fields):
        """Change opportunities, a minute after all earlier changes."""
        self.sandbox.advance(60)
        ids = [warehouse.rows[guid]["externalOpportunityId"] for guid in guids]
        self.sandbox.instance.change(ids, fields or {"stage": "Closed Won"})

    def reconcile(self, warehouse, path=None, **more):
        """Run a reconcile over a file, by default an export of all columns of the warehouse."""
        path = path or warehouse.export(self.file())
        run = {
            name: more.pop(name) for name in ("most_bytes", "tap_class", "catalog") if name in more
        }
        del self.lines.all[:]
        settings = warehouse.settings(self.sandbox, path, **more)
        output = self.sync(settings, state=self.state, **run)
        if output.state:
            self.state = output.state
        return output

    def guids(self):
        return [each["marketoGUID"] for each in self.sandbox.instance.opportunities()]

    def calls_of(self, action):
        """Return the REST API calls that an action makes."""
        before = len(self.sandbox.journal())
        action()
        return [c for c in self.sandbox.journal()[before:] if c["operation"] != "identity"]

    def present(self, stream=OPPORTUNITIES):
        """Return `updatedAt` of each record in the instance, by GUID."""
        instance = self.sandbox.instance
        records = instance.roles() if stream == ROLES else instance.opportunities()
        return {each["marketoGUID"]: _iso(each["updatedAt"]) for each in records}


def _iso(seconds):
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def scene_of(marketo_sandbox_factory, sync, tmp_path):
    """Return a function that makes a scene of a sandbox with the given options."""
    lines, clients, logger = Lines(), [], logging.getLogger("tap-marketo-opps")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)

    def make(**options):
        plain = {"opportunities": 400, "leads": 250, "seed": 5, "limits": {"enforced": False}}
        sandbox = marketo_sandbox_factory(**{**plain, **options})
        settings = ConnectionSettings.from_config(sandbox.credentials)
        clients.append(MarketoClient(settings, pacing_window_seconds=0.001))
        return Scene(sandbox, sync, tmp_path, clients[-1], lines)

    yield make
    logger.removeHandler(lines)
    logger.setLevel(level)
    for client in clients:
        client.close()


@pytest.fixture
def scene(scene_of):
    return scene_of()


@pytest.fixture
def prepared(tmp_path):
    """Return a function that prepares a reconcile of a file with three opportunities."""
    prepared = Prepared(tmp_path)
    prepared.write(ROWS)
    return prepared
