"""Tests that with any state a run ends with a clear error or reads everything."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import asdict, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketo_opps import SettingsError
from tap_marketo_opps.catalogs import STREAMS
from tap_marketo_opps.command_line import checked_state
from tap_marketo_opps.sync.state import with_bookmarks
from tests.tap_marketo_opps.sync.runs import (
    AHEAD,
    EARLY,
    FILTER,
    HOST,
    LATE,
    LEADS,
    LOG,
    NOW,
    finished,
    started,
)

WAYS = {
    "filter": (FILTER, {"next": 300, "open": [[0, "token"]], "done": 0, "unmatched": 0}),
    "lead_ids": (LEADS, {"next": 600, "open": [[300, None]], "done": 300, "unmatched": 7}),
    "activities": (
        LOG,
        {"token": "token", "reached": LATE, "keys": {"always": "1,2", "if_new": ""}},
    ),
}
LOST = "position cannot be read"

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    leaves | st.sampled_from([EARLY, LATE, NOW, AHEAD, HOST, "\ud800", 10**400, "lead_ids 1-900"]),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3)
    ),
    max_leaves=8,
)
ways = st.sampled_from(sorted(WAYS))
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Lines(logging.Handler):
    """Keeps the lines logged inside a `with` block."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def __enter__(self):
        logging.getLogger("tap-marketo-opps").addHandler(self)
        return self

    def __exit__(self, *_):
        logging.getLogger("tap-marketo-opps").removeHandler(self)


def resume_of(way):
    """Return the resume point of a run that was interrupted half-way."""
    config, at = WAYS[way]
    return replace(started(config, {"opportunities": {}}).plan.resume, at=at)


def left_by(way, resume):
    return {"found_by": way, "replication_key_value": EARLY, "instance": HOST, "resume": resume}


def read_again(way, resume):
    """Return True if a run logged that it cannot resume, and the run's client."""
    with Lines() as logged:
        left, client = finished(WAYS[way][0], {"opportunities": left_by(way, resume)})
    assert left["opportunities"]["resume"] is None
    assert (left["opportunities"]["replication_key_value"] or NOW) <= NOW
    return any(LOST in line for line in logged.lines), client


def assert_read_from_the_start(way, client):
    if way == "activities":
        assert len(client.log_since) == 1
    else:
        assert len(client.keys) == {"filter": 650, "lead_ids": 900}[way]


@pytest.mark.parametrize("way", WAYS)
def test_a_position_as_it_was_left_is_resumed(way):
    told, client = read_again(way, resume_of(way).encode())
    assert not told
    assert len(client.keys) in {650, 2, 600}
    assert not client.log_since


@quick
@given(ways, anything)
def test_a_resume_of_any_json_type_is_reported_and_all_is_read(way, resume):
    told, client = read_again(way, resume)
    assert told == (resume is not None)
    assert_read_from_the_start(way, client)


@quick
@given(ways, st.data())
def test_a_truncated_resume_is_reported_and_all_is_read(way, data):
    text = resume_of(way).encode()
    told, client = read_again(way, text[: data.draw(st.integers(0, len(text) - 1))])
    assert told
    assert_read_from_the_start(way, client)


@quick
@given(ways, st.data())
def test_a_resume_without_one_of_its_members_is_reported(way, data):
    members = json.loads(resume_of(way).encode())
    of = members["at"] if data.draw(st.booleans()) else members
    del of[data.draw(st.sampled_from(sorted(of)))]
    told, client = read_again(way, json.dumps(members))
    assert told
    assert_read_from_the_start(way, client)


@quick
@given(ways, anything, st.data())
def test_a_member_of_the_wrong_type_is_reported_and_all_is_read(way, value, data):
    members = json.loads(resume_of(way).encode())
    del members["fingerprint"]
    of = members["at"] if data.draw(st.booleans()) else members
    name = data.draw(st.sampled_from(sorted(of)))
    # What is of the right type may be right: null for what is not known, say.
    was, of[name] = of[name], value
    is_odd = type(value) is not type(was) and value is not None and name != "v"
    is_odd &= not (was is None and isinstance(value, str | dict))
    members["fingerprint"] = resume_of(way).fingerprint
    told, client = read_again(way, json.dumps(members))
    if is_odd:
        assert told
    if told:
        assert_read_from_the_start(way, client)


@pytest.mark.parametrize(
    ("way", "changed"),
    [
        ("filter", {"next": 651}),
        ("filter", {"next": -1}),
        ("filter", {"next": True}),
        ("filter", {"open": [[0, "a"], [0, "b"]]}),
        ("filter", {"open": [[300, "a"]]}),
        ("filter", {"open": [[0, ""]]}),
        ("filter", {"open": [[0, "\ud800"]]}),
        ("filter", {"open": [[0]]}),
        ("filter", {"done": -1}),
        ("lead_ids", {"next": 901, "open": []}),
        ("activities", {"reached": "2026-04-01T00:00:01Z"}),
        ("activities", {"reached": "2026-03-01"}),
        ("activities", {"token": ""}),
        ("activities", {"keys": {"always": "1,x", "if_new": ""}}),
        ("activities", {"keys": {"always": "1"}}),
        ("activities", {"keys": {"always": 1, "if_new": ""}}),
    ],
)
def test_a_position_where_nothing_can_stand_is_reported(way, changed):
    resume = resume_of(way)
    told, client = read_again(way, replace(resume, at=resume.at | changed).encode())
    assert told
    assert_read_from_the_start(way, client)


def test_a_position_of_another_version_is_reported():
    text = json.dumps({"v": 2, **asdict(resume_of("filter"))})
    told, client = read_again("filter", text)
    assert told
    assert_read_from_the_start("filter", client)


@pytest.mark.parametrize("way", ["filter", "lead_ids"])
def test_a_position_within_a_chunk_of_a_file_is_reported(way, tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("".join(f"{number}\n" for number in range(650)))
    config = {"filter": {"filter_values_path": str(path)}}.get(
        way, {"find_by": "lead_ids", "lead_ids_path": str(path)}
    )
    resume = started(config, {"opportunities": {}}).plan.resume
    for at in ({"next": 301, "open": []}, {"next": 300, "open": [[1, "token"]]}):
        broken = replace(resume, at={"done": 0, "unmatched": 0, **at}).encode()
        with Lines() as logged:
            _, client = finished(config, {"opportunities": left_by(None, broken)})
        assert any(LOST in line for line in logged.lines)
        assert len(client.keys) == 650


MEMBERS = (
    *("replication_key", "replication_key_value", "found_by", "log_until", "sweep_began"),
    *("sweep_leads", "instance", "resume", "updatedAt", "partitions"),
)


class StateFile(io.StringIO):
    """A state file as the command line opens it."""

    name = "state.json"


def end_of(way, bookmarks):
    """Run with a state from the command line; return the error, or the state that it leaves."""
    text = json.dumps({"bookmarks": bookmarks})
    try:
        read = with_bookmarks(json.load(checked_state(StateFile(text))), STREAMS)
        known = {"opportunities": {}, "opportunity_roles": {}} | read["bookmarks"]
        return None, finished(WAYS[way][0], known)
    except SettingsError as error:
        return str(error), None


@settings(quick, max_examples=400)
@given(
    ways,
    st.dictionaries(st.sampled_from(MEMBERS), anything, max_size=5) | anything,
    st.dictionaries(st.sampled_from(MEMBERS), anything, max_size=5) | anything,
)
def test_whatever_the_state_a_run_ends_with_a_sentence_or_reads(way, one, other):
    sentence, result = end_of(way, {"opportunities": one, "opportunity_roles": other})
    if sentence:
        assert sentence.endswith(".")
        assert "state" in sentence
        return
    left, client = result
    assert_read_from_the_start(way, client)
    for bookmark in left.values():
        assert bookmark["resume"] is None
        assert (bookmark["replication_key_value"] or NOW) <= NOW


@given(st.dictionaries(st.sampled_from([*STREAMS, "bookmarks", "x"]), anything, max_size=3))
def test_any_object_is_made_a_state_of_or_left_as_it_is(state):
    made = with_bookmarks(state, STREAMS)
    assert made == state or isinstance(made["bookmarks"], dict)
