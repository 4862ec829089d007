"""Tests of which records of a stream are emitted: those with a key that are new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.sync.state import Bookmark
from tap_marketo_opps.sync.stream_output import StreamCounts, StreamEmitter, StreamOutput
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def _emitter(since, start_date=None, *, seen=None, **changed):
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
    return StreamEmitter(
        replace(output, **changed), make_resume_point(since=since, seen=seen), start_date
    )


def _records(*times):
    return [{"marketoGUID": str(number), "updatedAt": time} for number, time in enumerate(times)]


def _emit(emitter, *times, emit_anyway=None):
    more = {} if emit_anyway is None else {"emit_regardless_of_age": emit_anyway}
    result = PageResult("opportunities", _records(*times), **more)
    return [each["marketoGUID"] for each in emitter.records_of(result)]


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


def test_records_of_the_very_second_and_without_a_time_are_new():
    assert _emit(_emitter(MIDDLE), EARLY, MIDDLE, LATE, None) == ["1", "2", "3"]


def test_records_before_start_date_are_counted_unless_emitted():
    emitter = _emitter(MIDDLE, start_date=MIDDLE)
    for _ in range(2):
        emitted = _emit(
            emitter,
            *(EARLY, MIDDLE, None, EARLY),
            emit_anyway=lambda record: record["marketoGUID"] == "3",
        )
        assert emitted == ["1", "2", "3"]
    assert emitter.output.counts.too_old == 2


def test_records_without_a_key_are_summed_over_pages():
    emitter = _emitter(None)
    for _ in range(2):
        emitter.records_of(PageResult("opportunities", [{"updatedAt": LATE}]))
    assert emitter.output.counts.keyless == 2


@pytest.mark.parametrize("since", [None, EARLY])
def test_a_dry_run_emits_up_to_its_record_limit(since):
    emitter = _emitter(since, record_limit=4)
    assert _emit(emitter, LATE, LATE, LATE) == ["0", "1", "2"]
    emitter.output.counts.emitted = 3
    assert _emit(emitter, LATE) == ["0"]
    assert _emit(emitter, LATE, LATE, LATE) == ["0"]
    emitter.output.counts.emitted = 4
    assert _emit(emitter, LATE) == []


def test_a_resume_point_has_the_greatest_time_seen_and_the_position():
    emitter = _emitter(LATE)
    assert emitter.resume_at(None).seen is None
    _emit(emitter, MIDDLE, EARLY)
    assert emitter.resume_at({"next": 6}) == make_resume_point(
        since=LATE, seen=MIDDLE, at={"next": 6}
    )
    _emit(emitter, EARLY, None)
    assert emitter.resume_at({"next": 6}).seen == MIDDLE
    assert _emitter(LATE, seen=EARLY).resume_at(None).seen == EARLY


@pytest.mark.parametrize("is_incremental", [True, False])
def test_only_an_incremental_stream_has_a_replication_key_value(is_incremental):
    output = _emitter(None, is_incremental=is_incremental).output
    output.save(Bookmark(value=LATE))
    assert (output.state.get("replication_key_value") == LATE) == is_incremental
