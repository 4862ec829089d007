"""A reconcile of a small file, with a fake instance."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from marketo_opps import CallCounts
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tap_marketo_opps.reconcile.start_reconcile import start_reconcile
from tap_marketo_opps.schemas import description_from_properties
from tap_marketo_opps.sync.run_context import RunContext
from tap_marketo_opps.sync.stream_output import StreamCounts, StreamOutput
from tap_marketo_opps.sync.time_box import TimeBox
from tests.tap_marketo_opps.finding.fakes import AtOnce, page_of
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES, write

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"
DATED = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
HOST = "one.example"
DEALS = ("marketoGUID", "name", "updatedAt")
MEMBERS = ("marketoGUID", "leadId", "lead_email")
ROWS = f"marketoGUID,name,updatedAt\na,x,{EARLY}\nb,y,{EARLY}\nc,z,{EARLY}\n"


class Client:
    """A client of an instance with roles of lead 1; records its calls."""

    counts = CallCounts()

    def __init__(self, *missing):
        self.asked = []
        self._missing = missing

    def server_now(self):
        return NOW

    def query(self, obj, *, filter_values, next_page_token, **asked):
        self.asked.append((str(obj), [*filter_values], asked))
        found = [each for each in filter_values if each not in self._missing]
        return page_of(
            [{"marketoGUID": each, "updatedAt": LATE, "leadId": 1} for each in found],
            next_page_token,
        )

    def leads(self, *, values, **asked):
        self.asked.append(("leads", [*values], asked))
        return page_of([{"id": 1, "email": "a@b.example"}])


class Writer:
    """A writer of messages that keeps the bookmarks written, by stream."""

    def __init__(self, states):
        self._states = states

    def write(self, lines):
        messages = [json.loads(line) for line in lines.splitlines()]
        self._states += [each["value"]["bookmarks"] for each in messages if "value" in each]


class Prepared:
    """Prepares reconciles of one file, in one folder; `states` are those of the last one."""

    def __init__(self, folder):
        self._path = folder / "rows.csv"
        self.misfits = []

    def write(self, rows):
        write(self._path, rows)
        os.utime(self._path, (DATED.timestamp(), DATED.timestamp()))

    def __call__(self, stream=OPPORTUNITIES, *, client=None, state=None, **more):
        fields = more.pop("fields", MEMBERS if stream == ROLES else DEALS)
        limit = {"record_limit": more.pop("record_limit", float("inf"))}
        state = {} if state is None else state
        output = _output(stream, fields, state, self.misfits, **limit)
        plain = {
            "endpoint": f"https://{HOST}",
            "batch_size": 200,
            "max_concurrent_calls": 1,
            "max_gone_percent": 5,
        }
        config = plain | {PATHS[stream]: str(self._path)} | more
        self.states = []
        writer = Writer(self.states)
        all_states = {"bookmarks": {stream: state}}
        context = RunContext(config, client or Client(), writer, all_states, TimeBox())
        return start_reconcile(output, [output], context)


def _output(name, fields, state, misfits, **more):
    plain = {
        "is_incremental": True,
        "replication_key": "updatedAt",
        "counts": StreamCounts(),
        "found_in": name,
        "known_fields": frozenset(fields),
        "field_types": description_from_properties(
            {each: {"type": "integer" if each == "leadId" else "string"} for each in fields}
        ),
        "note_misfit": lambda *misfit: misfits.append(misfit),
        "convert_page": lambda records: [(None, each) for each in records],
        "encode": lambda _: b"",
        "write_schema": lambda: None,
        "records_in": None,
    }
    return StreamOutput(name, fields=fields, state=state, **(plain | more))


def rows_of(count):
    rows = (f"g{number},x,{EARLY}\n" for number in range(count))
    return f"marketoGUID,name,updatedAt\n{''.join(rows)}"


def results_of(run):
    prefetcher = OrderedPrefetcher(AtOnce(), 3, TimeBox())
    yield from Pipeline(run.stages.first, run.stages.lookups, prefetcher).results()
