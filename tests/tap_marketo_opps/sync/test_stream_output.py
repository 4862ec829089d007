"""Tests of which records of a stream are emitted: those with a key that are new."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.sync.stream_output import StreamCounts, StreamEmitter, StreamOutput
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"


def _emitter(since):
    output = StreamOutput(
        name="opportunities",
        fields=("marketoGUID",),
        is_incremental=True,
        replication_key="updatedAt",
        record_limit=float("inf"),
        state={},
        counts=StreamCounts(),
        convert_page=lambda records: [(each["updatedAt"], each) for each in records],
        encode=None,
        write_schema=None,
        found_in="opportunities",
        records_in=lambda found: found,
        field_types=None,
        note_misfit=None,
    )
    return StreamEmitter(output, make_resume_point(since=since))


@pytest.mark.parametrize("since", [None, EARLY])
def test_records_without_a_key_are_counted_and_not_emitted(since):
    emitter = _emitter(since)
    guids = ["a", None, "", "  ", {}, "b"]
    records = [{"marketoGUID": guid, "updatedAt": LATE} for guid in guids]
    emitted = emitter.records_of(PageResult("opportunities", [*records, {"updatedAt": LATE}]))
    assert [each["marketoGUID"] for each in emitted] == ["a", "b"]
    assert emitter.output.counts.keyless == 5


def test_records_beside_one_without_a_key_are_judged_by_themselves():
    emitter = _emitter(LATE)
    records = [
        {"marketoGUID": None, "updatedAt": LATE},
        {"marketoGUID": "old", "updatedAt": EARLY},
        {"marketoGUID": "forced", "updatedAt": EARLY},
    ]
    result = PageResult("opportunities", records, lambda record: record["marketoGUID"] == "forced")
    assert [each["marketoGUID"] for each in emitter.records_of(result)] == ["forced"]
