"""What is logged about the streams of the input at the end of a run."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.mapper import PluginMapper

from target_marketo_opps.input_report import InputReport
from target_marketo_opps.settings import TargetSettings


@pytest.fixture
def report_of(caplog):
    caplog.set_level(logging.INFO)

    def make(stream_maps=None, **settings):
        mapper = PluginMapper({"stream_maps": stream_maps or {}}, logging.getLogger("test"))
        return InputReport(mapper, TargetSettings(**settings))

    return make


def test_entries_for_streams_that_did_not_come_are_told(report_of, caplog):
    report = report_of(
        {"crm": {}, "cmr": {}},
        stream_objects={"deals": "opportunities", "b": "opportunities", "a": "opportunities"},
        field_map={"crm": {}, "deals": {}},
    )
    report.note_stream("crm", "deals")
    report.note_stream("roles", "roles")
    report.log_unmatched_settings()
    came = "that were not in the input: {}. Streams in the input: 'crm', 'roles'."
    unmatched = {"stream_objects": "'a', 'b'", "field_map": "'crm'", "stream_maps": "'cmr'"}
    assert caplog.messages == [
        f"Setting '{setting}' has entries for streams {came.format(names)}"
        for setting, names in unmatched.items()
    ]
    assert {each.levelname for each in caplog.records} == {"WARNING"}


def test_an_input_without_streams_is_not_judged(report_of, caplog):
    report_of(stream_objects={"a": "opportunities"}).log_unmatched_settings()
    assert caplog.messages == []


@pytest.mark.parametrize(("unknown_fields", "lines"), [("warn", 1), ("ignore", 0)])
def test_the_notes_of_a_stream_are_kept_and_logged(report_of, caplog, unknown_fields, lines):
    report = report_of(unknown_fields=unknown_fields)
    notes = report.notes_of("deals")
    assert report.notes_of("deals") is notes
    notes.note_overruled(["Name"], "name")
    notes.note_unknown("mood", ["name"])
    report.log_not_written()
    assert caplog.messages[0].startswith("Stream 'deals': property 'Name' is not written in")
    assert [each.levelname for each in caplog.records] == ["INFO", *["WARNING"] * lines]
    assert all(each.startswith("Stream 'deals': ") for each in caplog.messages)


def test_each_stream_has_notes_of_its_own(report_of):
    report = report_of()
    assert report.notes_of("deals") is not report.notes_of("roles")
