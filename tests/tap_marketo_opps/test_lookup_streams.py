"""Tests of the streams whose records are found by runs, without an instance."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tap_marketo_opps.streams import LookupStream
from tap_marketo_opps.typed_page import PageConverter
from tests.tap_marketo_opps.offline import (
    NUMBER,
    TEXT,
    offline_stream,
    offline_tap,
    property_metadata,
    selection,
)

GUID = "0a1b"
DEAL = {"marketoGUID": GUID, "updatedAt": "2026-03-01T00:00:00+0000", "amount": Decimal("1.50")}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 1}


@pytest.fixture
def deals():
    return offline_stream(properties={"amount": NUMBER})


def started_by(started, run=None):
    """Return a stream that tells the function `started` of itself when its run starts."""

    def start(stream):
        started(stream)
        return run

    tap = offline_tap()
    return LookupStream(tap, "things", {"properties": {"marketoGUID": TEXT}}, start)


def test_a_run_is_given_all_it_needs_of_a_stream():
    stream = offline_stream(
        properties={"amount": NUMBER, "name": TEXT},
        state={"bookmarks": {"opportunities": {"replication_key_value": "2026"}}},
        metadata=[selection(selected=True), property_metadata("name", selected=False)],
        stream="deals",
    )
    output = stream.output()
    assert output.name == output.found_in == "opportunities"
    assert output.fields == ("marketoGUID", "updatedAt", "amount")
    assert output.known_fields == {*output.fields, "name", "_sdc_deleted_at"}
    assert output.field_types.field("amount").data_type == "float"
    assert output.field_types.field("name").data_type == "string"
    assert (output.is_incremental, output.replication_key) == (True, "updatedAt")
    assert output.record_limit == float("inf")
    assert output.counts is stream.counts
    assert output.records_in([DEAL]) == [DEAL]
    output.state["seen"] = True
    saved = {"replication_key_value": "2026", "seen": True}
    assert stream.tap_state == {"bookmarks": {"opportunities": saved}}


def test_a_run_writes_by_means_of_the_stream(deals):
    output = deals.output()
    output.write_schema()
    output.note_misfit("amount", GUID)
    lines = output.encode([typed for _, typed in output.convert_page([DEAL])])
    assert json.loads(deals.writer.written)["type"] == "SCHEMA"
    assert json.loads(lines)["record"]["amount"] == 1.5
    assert (deals.counts.emitted, deals.counts.misfits) == (1, 1)


def test_a_full_table_is_told_as_one():
    output = offline_stream(replication_method="FULL_TABLE").output()
    assert not output.is_incremental


@pytest.mark.parametrize("name", ["opportunity_changes", "opportunity_role_changes"])
def test_records_of_the_log_are_found_among_its_entries(name):
    stream = offline_stream(name, time="activityDate")
    assert stream.output().found_in == "opportunity_activities"


@pytest.mark.parametrize("config", [{}, FLAT])
def test_a_page_is_converted_to_the_types_of_the_schema(config):
    stream = offline_stream(properties={"amount": NUMBER}, config=config)
    convert = stream.page_converter()
    assert isinstance(convert, PageConverter) is not bool(config)
    (time, deal), (no_time, other) = convert([DEAL, {"marketoGUID": "b", "amount": "many"}])
    assert (time, no_time) == ("2026-03-01T00:00:00Z", None)
    first, second = map(json.loads, stream.encode([deal, other]).splitlines())
    assert first["record"] == {"marketoGUID": GUID, "updatedAt": time, "amount": 1.5}
    assert second["record"] == {"marketoGUID": "b", "updatedAt": None, "amount": None}
    assert stream.counts.misfits == 1


@pytest.mark.parametrize("config", [{}, FLAT])
def test_the_time_of_a_record_is_read_even_if_it_is_deselected(config):
    stream = offline_stream(config=config, replication_method="FULL_TABLE")
    stream.selected_fields = ("marketoGUID",)
    ((time, typed),) = stream.page_converter()([DEAL])
    assert time == "2026-03-01T00:00:00Z"
    assert json.loads(stream.encode([typed]))["record"] == {"marketoGUID": GUID}


def test_a_stream_that_an_earlier_one_has_written_yields_nothing():
    started = []
    stream = started_by(started.append)
    assert [*stream.pages()] == []
    assert started == [stream]


def test_a_stream_yields_the_pages_of_its_run():
    class Run:
        def pages(self):
            yield "things", [1]
            yield "others", [2]

    assert [*started_by(id, Run()).pages()] == [("things", [1]), ("others", [2])]
