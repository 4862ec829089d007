from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from tap_marketo_opps.singer_writer import MessageWriter
from tap_marketo_opps.tap import TapMarketoOpps
from tests.tap_marketo_opps.helpers import UnpacedTap

FAST = {"enforced": False}


def pytest_collection_modifyitems(items):
    """Accept that the SDK's tests find no value of `_sdc_deleted_at`: `reconcile` emits it."""
    for item in items:
        if item.name.endswith("[opportunities._sdc_deleted_at]"):
            nothing = "ignore:No records were available to test"
            item.add_marker(pytest.mark.filterwarnings(nothing))


class KilledError(BaseException):
    """Raised in place of the process being killed."""


class CapturingWriter(MessageWriter):
    """Keeps the output; kills the process in the middle of a line after `most_bytes`."""

    def __init__(self, most_bytes=None):
        super().__init__()
        self.written = bytearray()
        self._most_bytes = most_bytes

    def write(self, lines):
        self.written += lines
        if self._most_bytes is not None and len(self.written) > self._most_bytes:
            del self.written[self._most_bytes :]
            raise KilledError


@dataclass
class Output:
    """The complete lines that a run has written."""

    messages: list = field(default_factory=list)

    @classmethod
    def of(cls, written):
        return cls([json.loads(line) for line in bytes(written).split(b"\n")[:-1]])

    def records(self, stream="opportunities"):
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    def ids(self, stream="opportunities", key="marketoGUID"):
        return [record[key] for record in self.records(stream)]

    def schema(self, stream="opportunities"):
        return next(
            m["schema"] for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream
        )

    @property
    def types(self):
        return [m["type"] for m in self.messages]

    @property
    def states(self):
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def state(self):
        return self.states[-1] if self.states else None

    def bookmark(self, stream="opportunities"):
        return self.state["bookmarks"][stream]


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=400, leads=250, seed=5, limits=FAST)


@pytest.fixture(scope="session")
def catalog_of():
    """Return a function that makes a catalog with only the given streams and fields."""

    def make(sandbox, *streams, fields=None):
        tap = TapMarketoOpps(config={**sandbox.credentials, "filter_values": ["x"]})
        catalog = json.loads(json.dumps(tap.catalog_dict))
        tap.client.close()
        for entry in catalog["streams"]:
            for item in entry["metadata"]:
                if not item["breadcrumb"]:
                    item["metadata"]["selected"] = entry["tap_stream_id"] in streams
                elif fields and item["metadata"].get("inclusion") == "available":
                    item["metadata"]["selected"] = item["breadcrumb"][-1] in fields
        return catalog

    return make


@pytest.fixture
def sync():
    """Return a function that runs the tap in this process and returns its output."""
    taps = []

    def run(
        config, *, state=None, catalog=None, most_bytes=None, writer=None, tap_class=UnpacedTap
    ):
        writer = writer or CapturingWriter(most_bytes)
        tap = tap_class(
            config=dict(config),
            state=json.loads(json.dumps(state)) if state else None,
            catalog=catalog,
            message_writer=writer,
        )
        taps.append(tap)
        try:
            tap.sync_all()
        except KilledError:
            pass
        finally:
            run.raw = writer.written
            run.written = Output.of(writer.written)
        return run.written

    yield run
    for tap in taps:
        tap.client.close()


@pytest.fixture
def merged():
    """Return the deep merge of two states, as Meltano merges them."""

    def merge(old, new):
        result = defaultdict(dict, old or {})
        for key, value in new.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merge(result[key], value) if both else value
        return dict(result)

    return merge
