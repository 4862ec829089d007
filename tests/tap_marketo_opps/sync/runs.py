"""Runs against a fake instance without records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from marketo_opps import CallCounts, Page
from tap_marketo_opps.finding.activity_types import FollowedTypes
from tap_marketo_opps.sync.run_context import RunContext
from tap_marketo_opps.sync.start_run import start_run
from tap_marketo_opps.sync.stream_output import StreamCounts, StreamOutput
from tap_marketo_opps.sync.time_box import TimeBox

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
NOW, AHEAD = "2026-04-01T00:00:00Z", "2026-04-01T00:05:01Z"
HOST = "one.example"
FILTER = {"filter_values": [f"k{number}" for number in range(650)]}
LEADS = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 900}
LOG = {"find_by": "activities", "start_date": EARLY}


class EmptyInstance:
    """A client of an instance without records, which records its calls."""

    counts = CallCounts()

    def __init__(self, now=NOW):
        self.now = datetime.fromisoformat(now)
        self.keys = []
        self.log_since = []

    def earliest_now(self):
        return self.now.astimezone(UTC)

    def query(self, _obj, *, filter_values, **_):
        self.keys += filter_values
        return Page([], None, more=False, request_id=None)

    def paging_token(self, since):
        self.log_since.append(since)
        return "token"

    def activities(self, **_):
        return Page([], "next", more=False, request_id=None)


class Written:
    """A writer that keeps the states written."""

    def __init__(self):
        self.states = []

    def write(self, lines):
        self.states += [json.loads(line)["value"] for line in lines.splitlines()]


def started(settings, bookmarks, *, client=None, writer=None, **more):
    """Return a run with these settings and bookmarks."""
    state = {"bookmarks": {name: dict(bookmark) for name, bookmark in bookmarks.items()}}
    config = {
        "endpoint": f"https://{HOST}",
        "filter_type": "dedupeFields",
        "activity_overlap_seconds": 600,
        "batch_size": 300,
        "max_concurrent_calls": 1,
    }
    context = RunContext(
        config | settings, client or EmptyInstance(), writer or Written(), state, TimeBox()
    )
    return start_run(
        {name: _output(name, each, **more) for name, each in state["bookmarks"].items()},
        context,
        opportunities=None,
        activity_types=lambda: FollowedTypes({34: "Add to Opportunity"}),
    )


def _output(name, state, **more):
    plain = {
        "fields": ("marketoGUID",),
        "is_incremental": True,
        "replication_key": "updatedAt",
        "record_limit": float("inf"),
        "state": state,
        "counts": StreamCounts(),
        "convert_page": lambda _: [],
        "encode": lambda _: b"",
        "write_schema": lambda: None,
        "found_in": name,
        "records_in": lambda found: found,
        "field_types": None,
        "note_misfit": None,
    }
    return StreamOutput(name, **(plain | more))


def finished(settings, bookmarks, **more):
    """Return the bookmarks that a run with these settings and bookmarks leaves, and its client."""
    client, writer = EmptyInstance(), Written()
    for _ in started(settings, bookmarks, client=client, writer=writer, **more).pages():
        pass
    return writer.states[-1]["bookmarks"], client
