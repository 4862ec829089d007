"""Log lines with the result of a run that finds records, and its warnings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from marketo_opps import CallCounts
from tap_marketo_opps.finding.stage_plan import StagePlan
from tap_marketo_opps.sync.progress import LogThrottle
from tap_marketo_opps.sync.run_reporter import RunReporter
from tap_marketo_opps.sync.stream_output import StreamCounts

PLAIN = {"keys_done": 0, "total": None, "noun": "value", "reached": None, "late": None}


def lookup(stream="opportunities", **changed):
    plain = {"missing_key_count": 0, "invalid_key_count": 0, "sample_invalid_keys": []}
    counts = {"stream": stream, "naming_field": "leadId", "unmatched": 0, "echoes": 0}
    return SimpleNamespace(**(plain | counts | changed))


def late(seconds, *, is_alarming):
    return SimpleNamespace(seconds=seconds, is_alarming=is_alarming)


class Told:
    """The lines of a result: those of the streams, and the warnings."""

    def __init__(self, records):
        lines = [(each.levelname, each.getMessage()) for each in records]
        self.of_streams = [line for level, line in lines if level == "INFO"]
        self.warnings = [line for level, line in lines if level == "WARNING"]

    @property
    def notes(self):
        """Return what follows the counts and the seconds in the first stream's line."""
        return self.of_streams[0].split("; ")[1:]


@pytest.fixture
def told(caplog):
    """Return a function that logs the result of a run with these counts by stream."""

    def log(counts=None, lookups=(), **source):
        caplog.set_level("INFO", "tap-marketo-opps")
        make_reporter(counts or {"opportunities": {}}, lookups, **source).log_result()
        return Told(caplog.records)

    return log


def make_reporter(counts, lookups=(), **source):
    """Return a reporter of a run with these counts, whose progress is always due."""
    first = SimpleNamespace(**(PLAIN | {"unmatched": 0, "echoes": 0} | source))
    return RunReporter(
        SimpleNamespace(counts=CallCounts()),
        StagePlan(first, lookups),
        [SimpleNamespace(name=name, counts=StreamCounts(**each)) for name, each in counts.items()],
        LogThrottle(lambda: 0.0, seconds=0),
        ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    )


def test_a_plain_result_is_a_line_without_notes(told):
    result = told({"opportunities": {"emitted": 3}})
    (line,) = result.of_streams
    assert line.startswith("opportunities: 3 records, 0 calls, 0 retries, ")
    assert result.notes == result.warnings == []


def test_streams_found_together_have_lines_of_their_own(told):
    counts = {
        "opportunities": {"emitted": 3},
        "roles": {"emitted": 1, "misfits": 2, "too_old": 4},
        "leads": {},
    }
    _, roles, leads = told(counts).of_streams
    assert roles.split("; ") == [
        "roles: 1 record, found together with opportunities",
        "2 values set to null for not matching the type",
        "4 records from before start_date skipped",
    ]
    assert leads == "leads: 0 records, found together with opportunities"


def test_the_first_line_has_the_notes_of_all_stages(told):
    result = told(
        {"opportunities": {"misfits": 1, "too_old": 2}},
        [lookup(missing_key_count=3), lookup(unmatched=4)],
        unmatched=5,
        keys_done=9,
        late=late(1_800, is_alarming=False),
    )
    assert result.notes == [
        "1 value set to null for not matching the type",
        "2 records from before start_date skipped",
        "nothing found for 5 values",
        "an entry of the activity log became visible 1,800 s late or more",
        "3 roles without leadId",
        "4 opportunities named by roles not found",
    ]
    assert result.warnings == []


@pytest.mark.parametrize(("source", "others"), [(0, (0, 0)), (1, (0, 0)), (1, (2, 4)), (0, (0, 3))])
def test_records_that_were_not_requested_are_summed(told, source, others):
    result = told(lookups=[lookup(echoes=count) for count in others], echoes=source)
    count = source + sum(others)
    assert len(result.notes) == (count > 0)
    noun = "record" if count == 1 else "records"
    for note in result.notes:
        assert note.startswith(f"{count} {noun} returned for an id that was not requested")


@pytest.mark.parametrize("is_alarming", [True, False])
def test_late_entries_are_warned_of_if_they_are_alarming(told, is_alarming):
    warnings = told(late=late(1_801, is_alarming=is_alarming)).warnings
    assert len(warnings) == is_alarming
    for warning in warnings:
        assert "visible 1,801 s after its date" in warning
        assert "half of activity_overlap_seconds: raise that setting" in warning


def test_streams_are_warned_of_records_and_entries_they_lack(told):
    counts = {
        "opportunity_changes": {"unreadable": 2},
        "opportunities": {"keyless": 3},
        "opportunity_role_changes": {"unreadable": 1},
    }
    keyless, changes, role_changes = told(counts).warnings
    assert keyless.startswith("3 records of opportunities skipped")
    assert changes.startswith("Changes in 2 entries of the activity log could not be read")
    assert "missing from opportunity_changes." in changes
    assert role_changes.startswith("Changes in 1 entry")
    assert "missing from opportunity_role_changes." in role_changes


@pytest.mark.parametrize(
    ("unmatched", "keys_done", "is_warned"), [(0, 0, False), (4, 5, False), (5, 5, True)]
)
def test_a_run_that_finds_nothing_at_all_is_warned_of(told, unmatched, keys_done, is_warned):
    warnings = told(unmatched=unmatched, keys_done=keys_done).warnings
    assert len(warnings) == is_warned
    for warning in warnings:
        assert warning.startswith("Nothing was found for any of 5 values looked up")


def test_the_progress_is_that_of_the_first_stage_in_its_log(caplog):
    caplog.set_level("INFO", "tap-marketo-opps")
    make_reporter({"opportunities": {}}, reached="2026-01-02T00:00:00Z").log_progress()
    assert caplog.messages[0].startswith("opportunities: 50 % (activity log read up to 2026-01-02")
