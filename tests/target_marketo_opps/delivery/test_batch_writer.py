"""Test which outcome the batch writer derives from each of Marketo's responses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import (
    BatchOutcome,
    DataError,
    MarketoObject,
    ObjectDescription,
    Page,
    Reason,
    RecordResult,
    encode_record,
)
from marketo_opps.errors import UnreachableError
from target_marketo_opps.delivery.batch_writer import BatchWriter
from target_marketo_opps.delivery.batches import Batch, BatchTarget, Operation, OutboundRecord
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.settings import TargetSettings

SENT_AT = datetime(2026, 3, 4, 5, 6, 7, 800_000, tzinfo=UTC)
KEY = "externalOpportunityId"
NO_FIELDS = ObjectDescription("o", "marketoGUID", (KEY,), ((KEY,),), ())


class Marketo:
    """Returns the given responses, one per call, and records the calls."""

    def __init__(self, *answers, stored=()):
        self.answers = list(answers)
        self.stored = stored
        self.sent = []

    def sync(self, _obj, records, **_options):
        return self._answer(records)

    def delete(self, _obj, records, **_options):
        return self._answer(records)

    def query(self, *_args, **options):
        self.asked = options
        if isinstance(self.stored, Exception):
            raise self.stored
        return Page(list(self.stored), None, False, "r", SENT_AT)

    def _answer(self, records):
        self.sent.append(len(records))
        answer = self.answers.pop(0) if self.answers else "created"
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, BatchOutcome):
            return answer
        return response(*[answer] * len(records))


def response(*statuses, ambiguous=False):
    results = [
        RecordResult(seq, status)
        if status in ("created", "updated")
        else RecordResult(seq, "skipped", reasons=(Reason(status, "Said Marketo"),))
        for seq, status in enumerate(statuses)
    ]
    return BatchOutcome(results, "r9", ambiguous, SENT_AT)


def refused(code):
    return DataError("POST /x", [Reason(code, "Bad")], "r7")


def batch_of(*records, operation=Operation.SYNC, obj=MarketoObject.OPPORTUNITIES):
    batch = Batch(BatchTarget(obj, operation, (KEY,)))
    for number, record in enumerate(records):
        body = encode_record({KEY: f"K{number}", **record})
        key = f"k{number}"
        batch.add(OutboundRecord("s", batch.target, key, (key,), body, "s", b"{}"))
    return batch


def writer_to(marketo, *, rejected=0, describe=lambda _: NO_FIELDS, **settings):
    chosen, counters = TargetSettings(**{"max_rejects": -1, **settings}), RunCounters()
    counters.rejected = rejected
    policy = RejectPolicy(counters, None, chosen)
    return BatchWriter(marketo, chosen, describe=describe, rejects=policy)


def outcomes(result):
    return [each and each.kind for each in result.outcomes]


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        (Operation.DELETE, "1004", Outcome.DELETED),
        (Operation.DELETE, "1013", Outcome.DELETED),
        (Operation.DELETE, "1003", Outcome.REJECTED),
        (Operation.SYNC, "1004", Outcome.REJECTED),
        (Operation.SYNC, "1013", Outcome.REJECTED),
    ],
)
@pytest.mark.parametrize("answer", [refused, response], ids=["call", "record"])
def test_delete_of_a_missing_record_counts_as_deleted(operation, code, kind, answer):
    marketo = Marketo(answer(code))
    result = writer_to(marketo).deliver(batch_of({}, operation=operation))
    assert outcomes(result) == [kind]


def test_delete_refused_for_a_missing_record_keeps_the_request_id():
    (each,) = (
        writer_to(Marketo(refused("1013")))
        .deliver(batch_of({}, operation=Operation.DELETE))
        .outcomes
    )
    assert (each.kind, each.request_id) == (Outcome.DELETED, "r7")


@pytest.mark.parametrize(
    ("codes", "has_accepted"), [(["created", "1003"], True), (["1003", "1003"], False)]
)
def test_target_remembers_that_a_record_was_accepted(codes, has_accepted):
    batch = batch_of({}, {})
    writer_to(Marketo(response(*codes))).deliver(batch)
    assert batch.target.has_accepted is has_accepted


@pytest.mark.parametrize(
    ("obj", "action", "code", "is_searched"),
    [
        (MarketoObject.OPPORTUNITIES, "createOrUpdate", "1003", True),
        (MarketoObject.OPPORTUNITIES, "createOrUpdate", "1004", True),
        (MarketoObject.OPPORTUNITIES, "updateOnly", "1004", False),
        (MarketoObject.OPPORTUNITIES, "createOrUpdate", "1007", False),
        (MarketoObject.OPPORTUNITIES, "updateOnly", "1013", False),
        (MarketoObject.OPPORTUNITY_ROLES, "createOrUpdate", "1003", True),
        (MarketoObject.OPPORTUNITY_ROLES, "createOrUpdate", "1004", False),
    ],
)
def test_versions_are_sent_again_unless_the_key_is_refused(obj, action, code, is_searched):
    batch, later = batch_of({}, obj=obj), batch_of({}, obj=obj)
    batch.records[0].later_versions = later.records
    marketo = Marketo(response(code), response(code), "updated")
    result = writer_to(marketo, action=action).deliver(batch)
    assert outcomes(result) == [Outcome.REJECTED]
    assert len(marketo.sent) == (3 if is_searched else 1)
    found = result.of_versions.get(0, [])
    assert [each.kind for each in found] == (
        [Outcome.REJECTED, Outcome.UPDATED] if is_searched else []
    )


def test_refused_call_gives_its_records_reason_and_request_id():
    (each,) = writer_to(Marketo(refused("1003"))).deliver(batch_of({})).outcomes
    assert each.reasons == (Reason("1003", "Bad"),)
    assert each.request_id == "r7"


def test_skipped_record_keeps_reason_and_request_id():
    (_, each) = writer_to(Marketo(response("created", "1003"))).deliver(batch_of({}, {})).outcomes
    assert (each.kind, each.request_id) == (Outcome.REJECTED, "r9")
    assert each.reasons == (Reason("1003", "Said Marketo"),)


def test_another_code_than_718_refuses_no_sales_person():
    marketo = Marketo(refused("1003"), "created")
    batch_writer = writer_to(marketo)
    person = {"externalSalesPersonId": "P"}
    assert outcomes(batch_writer.deliver(batch_of(person))) == [Outcome.REJECTED]
    assert outcomes(batch_writer.deliver(batch_of(person))) == [Outcome.CREATED]


def test_refused_sales_person_costs_no_further_call():
    marketo = Marketo(refused("718"))
    batch_writer = writer_to(marketo)
    batch_writer.deliver(batch_of({"externalSalesPersonId": "P"}))
    result = batch_writer.deliver(batch_of({"externalSalesPersonId": "P"}, {}))
    assert outcomes(result) == [Outcome.REJECTED, Outcome.CREATED]
    assert marketo.sent == [1, 1]


@pytest.mark.parametrize(("rejected", "calls"), [(1, 3), (0, 5)])
def test_bisection_stops_when_max_rejects_is_exceeded(rejected, calls):
    # [0 1 2 3] refused, [0 1] refused, [0] refused: the first reject.
    answers = [refused("1003")] * 3 + ["created"] * 9
    marketo = Marketo(*answers)
    result = writer_to(marketo, rejected=rejected, max_rejects=1).deliver(batch_of({}, {}, {}, {}))
    assert len(marketo.sent) == calls
    assert result.is_complete is (rejected == 0)


def test_after_a_lost_response_only_existing_records_are_looked_up():
    answer = response("created", "1005", "1005", "1003", ambiguous=True)
    stored = [
        {KEY: "K0", "createdAt": "2026-03-04T05:06:07Z"},
        {KEY: "K1", "createdAt": "2026-03-04T05:06:07Z"},
        {KEY: "K2", "createdAt": "2026-03-04T05:06:06Z"},
        {KEY: "K3", "createdAt": "2026-03-04T05:06:09Z"},
    ]
    batch_writer = writer_to(Marketo(answer, stored=stored), action="createOnly")
    result = batch_writer.deliver(batch_of({}, {}, {}, {}))
    assert outcomes(result) == [
        Outcome.CREATED,
        Outcome.CREATED,
        Outcome.REJECTED,
        Outcome.REJECTED,
    ]
    counted = (result.existing_ours, result.existing_theirs, result.existing_unresolved)
    assert counted == (1, 1, 0)


def test_record_of_a_native_crm_sync_ends_the_delivery():
    result = writer_to(Marketo(response("1018"))).deliver(batch_of({}))
    told = str(result.failure)
    assert all(part in told for part in ("a record of", "1018 Said Marketo", "requestId r9"))
    assert not result.is_complete


def test_unknown_status_ends_the_delivery_with_the_request_id():
    answer = BatchOutcome([RecordResult(0, "queued")], "r9", False, SENT_AT)
    result = writer_to(Marketo(answer)).deliver(batch_of({}))
    assert "unknown status 'queued' (requestId r9)" in str(result.failure)


def test_existing_record_that_is_not_found_stays_a_reject():
    batch_writer = writer_to(Marketo(response("1005", ambiguous=True)), action="createOnly")
    assert outcomes(batch_writer.deliver(batch_of({}))) == [Outcome.REJECTED]


@pytest.mark.parametrize(
    ("created_at", "kind"),
    [("2026-03-04T05:06:07", Outcome.CREATED), ("2026-03-04T05:06:06", Outcome.REJECTED)],
)
def test_a_creation_time_without_an_offset_is_read_as_utc(created_at, kind):
    stored = [{KEY: "K0", "createdAt": created_at}]
    marketo = Marketo(response("1005", ambiguous=True), stored=stored)
    assert outcomes(writer_to(marketo, action="createOnly").deliver(batch_of({}))) == [kind]


@pytest.mark.parametrize("dedupe_by", ["idField", "dedupeFields"])
def test_records_written_by_id_are_looked_up_by_id(dedupe_by):
    marketo = Marketo("updated")
    settings = {"dedupe_by": dedupe_by, "action": "updateOnly", "skip_unchanged": True}
    batch_writer = writer_to(marketo, describe=lambda _: NO_FIELDS, **settings)
    assert outcomes(batch_writer.deliver(batch_of({}))) == [Outcome.UPDATED]
    assert marketo.asked["filter_type"] == dedupe_by


def test_records_that_cannot_be_looked_up_stay_unresolved():
    answer = response("created", "1005", ambiguous=True)
    lost = UnreachableError("GET /x", "gone")
    result = writer_to(Marketo(answer, stored=lost), action="createOnly").deliver(batch_of({}, {}))
    assert outcomes(result) == [Outcome.CREATED, None]
    assert not result.is_complete
    assert result.failure is lost
