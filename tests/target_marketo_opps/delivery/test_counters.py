"""The counts of a run, and the log lines about them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from marketo_opps import CallCounts, Reason
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.lead_counts import LeadCounts
from target_marketo_opps.delivery.outcomes import Outcome

BAD = [Reason("1003", "Bad")]


@pytest.fixture
def counters():
    made = RunCounters()
    made.register_stream("deals")
    return made


def existing(ours, theirs, unresolved):
    return SimpleNamespace(
        existing_ours=ours, existing_theirs=theirs, existing_unresolved=unresolved
    )


def test_the_closing_line_has_all_outcomes_of_each_stream(counters):
    counters.register_stream("roles")
    counters.read = 1_204
    counters.count("deals", Outcome.CREATED, 1_000)
    counters.count("deals", Outcome.CREATED, 200)
    counters.count("deals", Outcome.UPDATED)
    counters.reject("deals", "K1", BAD)
    counters.reject("deals", "K2", BAD)
    counters.count("roles", Outcome.DELETED)
    assert counters.closing_line(CallCounts(calls=5, retries=1), 2.25) == (
        "deals: 1,200 created, 1 updated, 0 deleted, 0 unchanged, 0 left alone, 2 rejected; "
        "roles: 0 created, 0 updated, 1 deleted, 0 unchanged, 0 left alone, 0 rejected; "
        "5 calls, 1 retry, 2.2 s."
    )


def test_the_closing_line_tells_merged_and_lost_records_and_leads(counters):
    counters.read = 7
    counters.count("deals", Outcome.UPDATED, 3)
    counters.count_merged("deals")
    counters.count_merged("deals")
    counters.leads = LeadCounts("email")
    assert "leads by" not in counters.closing_line(CallCounts(), 0.0)
    counters.leads.add([1], 0, 1)
    assert counters.closing_line(CallCounts(), 0.0) == (
        "deals: 0 created, 3 updated, 0 deleted, 0 unchanged, 0 left alone, 0 rejected, 2 merged; "
        "4 not delivered; leads by email: 1 found, 0 not found, 0 ambiguous, 1 lookup call; "
        "0 calls, 0 retries, 0.0 s."
    )


def test_without_a_stream_there_are_no_records():
    assert RunCounters().closing_line(CallCounts(), 1.0) == (
        "No records; 0 calls, 0 retries, 1.0 s."
    )


def test_progress_is_told_with_the_rate_of_calls(counters):
    counters.read = 2_000
    counters.count("deals", Outcome.CREATED, 1_500)
    counters.reject("deals", "K", BAD)
    assert counters.progress(CallCounts(calls=6), 4.0) == (
        "1,501 of 2,000 records settled, 1 rejected, 6 calls, 1.5 calls/s"
    )


def test_rejects_are_counted_with_their_causes(counters):
    counters.reject("deals", "K1", BAD)
    counters.reject("deals", "K2", BAD)
    assert counters.rejected == counters.settled == 2
    assert [*counters.causes.lines()] == ["2 rejected with 1003 (Bad): K1, K2"]


def test_outcomes_by_stream(counters):
    counters.register_stream("roles")
    counters.count("deals", Outcome.LEFT_ALONE)
    counters.count_merged("deals")
    assert counters.by_stream() == {
        "deals": {
            "created": 0,
            "updated": 0,
            "deleted": 0,
            "unchanged": 0,
            "left_alone": 1,
            "rejected": 0,
            "merged": 1,
        },
        "roles": dict.fromkeys(counters.by_stream()["deals"], 0),
    }
    assert counters.has_outcomes_of(["roles", "deals"])
    assert not counters.has_outcomes_of(["roles", "unknown"])


def test_registering_a_stream_again_keeps_its_counts(counters):
    counters.count("deals", Outcome.CREATED)
    counters.register_stream("deals")
    assert counters.settled == 1


@pytest.mark.parametrize(
    ("results", "line"),
    [
        ([existing(0, 0, 0)], None),
        ([existing(1, 0, 0), existing(2, 0, 0)], "3 created by this run, 0 created before it, 0"),
        ([existing(0, 1, 0), existing(0, 2, 0)], "0 created by this run, 3 created before it, 0"),
        ([existing(0, 0, 1), existing(0, 0, 2)], "0 created by this run, 0 created before it, 3"),
    ],
)
def test_records_that_exist_after_a_lost_response_have_a_line(counters, results, line):
    for each in results:
        counters.count_existing(each)
    before = "Records that 'already exist' after lost responses: "
    assert [*counters.summary_lines(0)] == ([f"{before}{line} unknown."] if line else [])


def test_calls_that_were_not_full_have_a_line(counters):
    assert [*counters.summary_lines(1_234)] == ["Calls sent before they were full: 1,234."]
