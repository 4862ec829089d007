"""The line with the result of a reconcile, and its warning."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from marketo_opps import CallCounts
from tap_marketo_opps.reconcile.position import Counts
from tap_marketo_opps.reconcile.reporter import ReconcileReporter
from tap_marketo_opps.reconcile.stages import ReconcileStages
from tap_marketo_opps.sync.progress import LogThrottle
from tap_marketo_opps.sync.stream_output import StreamCounts


def lookup_of_leads(**changed):
    plain = {"stream": "leads", "naming_field": "leadId", "missing_key_count": 0, "unmatched": 0}
    keys = {"invalid_key_count": 0, "sample_invalid_keys": []}
    return SimpleNamespace(**(plain | keys | changed))


@pytest.fixture
def reporter():
    """Return a function that makes a reporter of a reconcile of roles with these counts."""

    def make(
        counts=None, *, unrequested=(0, 0), leads=None, repeated=0, why_unknown=None, **output
    ):
        first, second = (SimpleNamespace(unrequested=count) for count in unrequested)
        vars(first).update(keys_done=3, total=4, noun="row", reached=None)
        return ReconcileReporter(
            SimpleNamespace(counts=CallCounts()),
            ReconcileStages(first, second, leads, counts or Counts()),
            SimpleNamespace(name="opportunity_roles", counts=StreamCounts(**output)),
            LogThrottle(lambda: 0.0, seconds=0),
            file=SimpleNamespace(repeated=repeated, setting="rows_path", path="r.csv"),
            why_unknown=why_unknown,
        )

    return make


@pytest.fixture
def told(reporter, caplog):
    """Return a function that logs a result and returns its line in parts, and the warnings."""

    def log(*arguments, **counts):
        caplog.set_level("INFO", "tap-marketo-opps")
        reporter(*arguments, **counts).log_result()
        line, *warnings = caplog.records
        assert line.levelname == "INFO"
        assert {each.levelname for each in warnings} <= {"WARNING"}
        return line.getMessage().split("; "), [each.getMessage() for each in warnings]

    return log


def test_a_result_has_the_counts_of_rows_by_kind(told):
    counts = Counts(alike=1_000, changed=2_000, untold=3_000, gone=4_000, known_gone=5_000)
    parts, warnings = told(counts, emitted=6_000)
    assert parts[0].startswith("opportunity_roles: 6,000 records, 0 calls, 0 retries, ")
    assert parts[1:] == [
        "1,000 alike, 2,000 changed, 4,000 gone, 5,000 known gone",
        "3,000 of the changes missed by the activity log",
    ]
    assert warnings == []


def test_why_missed_changes_are_unknown_is_told(told):
    parts, _ = told(Counts(untold=3), why_unknown="no run has read it")
    assert parts[2:] == ["changes missed by the activity log: unknown (no run has read it)"]


def test_a_result_has_the_notes_of_file_output_and_lookups(told):
    parts, _ = told(
        leads=lookup_of_leads(unmatched=2), unrequested=(3, 4), repeated=1, misfits=5, too_old=6
    )
    assert parts[3:] == [
        "5 values set to null for not matching the type",
        "2 leads named by roles not found",
        "1 row with a repeated marketoGUID",
        "7 records returned for an id that was not requested",
    ]


def test_one_record_that_was_not_requested_is_told(told):
    parts, _ = told(unrequested=(0, 1))
    assert parts[3:] == ["1 record returned for an id that was not requested"]


def test_records_without_a_key_are_warned_of(told):
    _, (warning,) = told(keyless=2)
    assert warning.startswith("2 records of opportunity_roles skipped: Marketo sent no marketoGUID")


def test_rows_whose_date_cannot_be_read_are_warned_of(told):
    _, (warning,) = told(Counts(undated=1_000))
    assert warning.startswith("rows_path: updatedAt of 1,000 rows in r.csv is not a date-time")


def test_the_progress_is_that_of_the_first_pass(reporter, caplog):
    caplog.set_level("INFO", "tap-marketo-opps")
    reporter(emitted=1).log_progress()
    assert caplog.messages[0].startswith("opportunity_roles: 75 % (3 of 4 rows), 1 record, 0 calls")
