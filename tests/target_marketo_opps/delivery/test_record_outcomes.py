"""Test how the outcomes of a batch are read: rejected, parked, accepted, created, by version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketo_opps import Reason
from target_marketo_opps.delivery.batches import Batch
from target_marketo_opps.delivery.outcomes import (
    CREATED,
    UPDATED,
    BatchResult,
    Outcome,
    RecordOutcome,
    spread,
)
from tests.target_marketo_opps.delivery.parking_bench import MISSING, ParkingBench

BAD = RecordOutcome(Outcome.REJECTED, (Reason("1003", "Bad"), Reason("1006", "Odd")), "r#2")


def result_of(*outcomes, versions=1, role=True):
    """Return the result of a batch of roles or opportunities, each of some versions."""
    bench = ParkingBench(merges=True)
    make = bench.role if role else lambda key, *_: bench.opportunity(key)
    records = [make(f"K{number}", 1, 0) for number in range(len(outcomes))]
    for number, record in enumerate(records):
        for note in range(1, versions):
            assert record.merge(make(f"K{number}", 1, note), most_bytes=100)
    batch = Batch(records[0].target)
    for record in records:
        batch.add(record)
    result = BatchResult(batch)
    result.outcomes[:] = outcomes
    return result


def test_explanation_is_added_to_the_first_reason_only():
    explained = BAD.explained("why")
    assert explained.reasons == (Reason("1003", "Bad (why)"), Reason("1006", "Odd"))
    assert (explained.kind, explained.request_id) == (Outcome.REJECTED, "r#2")


def test_only_the_first_version_counts_as_created_and_changed():
    created = replace(CREATED, changes={"a": (1, 2)}, request_id="r#1")
    assert spread(None, 3) == [None] * 3
    assert spread(created, 1) == [created]
    first, *others = spread(created, 3)
    assert first is created
    assert [(each.kind, each.changes, each.request_id) for each in others] == [
        (Outcome.UPDATED, {}, "r#1")
    ] * 2


@pytest.mark.parametrize("outcome", [BAD, UPDATED])
def test_all_versions_of_a_record_have_its_outcome(outcome):
    assert [each.kind for each in spread(outcome, 2)] == [outcome.kind] * 2


def test_roles_to_park_do_not_count_as_rejected():
    result = result_of(MISSING, CREATED, BAD, None)
    assert result.orphans == [0]
    assert result.rejected == 1


def test_opportunities_are_never_parked():
    result = result_of(MISSING, None, role=False)
    assert result.orphans == []
    assert result.rejected == 1


def test_each_rejected_version_of_a_halved_record_counts():
    result = result_of(BAD, BAD, versions=3)
    result.of_versions[1] = [BAD, None, BAD]
    assert result.rejected == 3


def test_a_record_is_accepted_if_one_of_its_versions_is():
    result = result_of(BAD, BAD, CREATED, None, UPDATED, versions=2)
    result.of_versions[1] = [BAD, UPDATED]
    assert [result.is_accepted(index) for index in range(5)] == [False, True, True, False, True]


def test_a_record_is_created_if_one_of_its_versions_was():
    result = result_of(BAD, BAD, CREATED, None, UPDATED, versions=2)
    result.of_versions[1] = [BAD, CREATED]
    assert [result.is_created(index) for index in range(5)] == [False, True, True, False, False]


def test_versions_are_told_apart_and_parked_roles_left_out():
    result = result_of(MISSING, CREATED, BAD, versions=2)
    result.parked.add(0)
    result.of_versions[2] = [UPDATED, BAD]
    told = [(record.key[0], outcome.kind) for record, outcome in result.by_version()]
    assert told == [
        ("k1", Outcome.CREATED),
        ("k1", Outcome.UPDATED),
        ("k2", Outcome.UPDATED),
        ("k2", Outcome.REJECTED),
    ]


def test_records_without_later_versions_have_their_own_outcome():
    result = result_of(None, CREATED)
    assert [outcome for _, outcome in result.by_version()] == [None, CREATED]


def test_outcomes_are_named_in_lower_case():
    assert Outcome.CREATED.identifier == "created"
