"""The courier by itself, with a Marketo that a test makes up: which verdict follows from what."""

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
from target_marketo_opps.delivery.batch_writer import Courier
from target_marketo_opps.delivery.batching import Batch, Lane, Operation, Outgoing
from target_marketo_opps.delivery.outcomes import Fate
from target_marketo_opps.settings import TargetSettings

SENT_AT = datetime(2026, 3, 4, 5, 6, 7, 800_000, tzinfo=UTC)
KEY = "externalOpportunityId"
NO_FIELDS = ObjectDescription("o", "marketoGUID", (KEY,), ((KEY,),), ())


class Marketo:
    """Hands out the given answers, one a call, and keeps what it was asked."""

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
        return outcome(*[answer] * len(records))


def outcome(*statuses, ambiguous=False):
    results = [
        RecordResult(seq, status)
        if status in ("created", "updated")
        else RecordResult(seq, "skipped", reasons=(Reason(status, "Said Marketo"),))
        for seq, status in enumerate(statuses)
    ]
    return BatchOutcome(results, "r9", ambiguous, SENT_AT)


def refused(code):
    return DataError("POST /x", [Reason(code, "Bad")], "r7")


def batch_of(*records, operation=Operation.SYNC):
    batch = Batch(Lane(MarketoObject.OPPORTUNITIES, operation, (KEY,)))
    for number, record in enumerate(records):
        body = encode_record({KEY: f"K{number}", **record})
        batch.add(Outgoing("s", batch.lane, f"k{number}", (f"k{number}",), body, "s", {}))
    return batch


def courier_to(marketo, *, rejected=0, describe=lambda _: NO_FIELDS, **settings):
    return Courier(
        marketo,
        TargetSettings(**{"max_rejects": -1, **settings}),
        describe=describe,
        rejected_so_far=lambda: rejected,
    )


def fates(delivery):
    return [verdict and verdict.fate for verdict in delivery.verdicts]


@pytest.mark.parametrize(
    ("operation", "code", "fate"),
    [
        (Operation.DELETE, "1004", Fate.DELETED),
        (Operation.DELETE, "1013", Fate.DELETED),
        (Operation.DELETE, "1003", Fate.REJECTED),
        (Operation.SYNC, "1004", Fate.REJECTED),
        (Operation.SYNC, "1013", Fate.REJECTED),
    ],
)
@pytest.mark.parametrize("answer", [refused, outcome], ids=["call", "record"])
def test_only_a_delete_refused_because_the_record_is_gone_counts_as_deleted(
    operation, code, fate, answer
):
    marketo = Marketo(answer(code))
    delivery = courier_to(marketo).deliver(batch_of({}, operation=operation))
    assert fates(delivery) == [fate]


def test_a_record_refused_with_its_whole_call_keeps_reason_and_request_id():
    (verdict,) = courier_to(Marketo(refused("1003"))).deliver(batch_of({})).verdicts
    assert verdict.reasons == (Reason("1003", "Bad"),)
    assert verdict.request_id == "r7"


def test_a_record_refused_by_itself_keeps_reason_and_request_id():
    (_, verdict) = (
        courier_to(Marketo(outcome("created", "1003"))).deliver(batch_of({}, {})).verdicts
    )
    assert (verdict.fate, verdict.request_id) == (Fate.REJECTED, "r9")
    assert verdict.reasons == (Reason("1003", "Said Marketo"),)


def test_a_sales_person_is_not_blamed_for_what_is_wrong_with_a_record():
    marketo = Marketo(refused("1003"), "created")
    courier = courier_to(marketo)
    person = {"externalSalesPersonId": "P"}
    assert fates(courier.deliver(batch_of(person))) == [Fate.REJECTED]
    assert fates(courier.deliver(batch_of(person))) == [Fate.CREATED]


def test_a_refused_sales_person_costs_no_further_call():
    marketo = Marketo(refused("718"))
    courier = courier_to(marketo)
    courier.deliver(batch_of({"externalSalesPersonId": "P"}))
    delivery = courier.deliver(batch_of({"externalSalesPersonId": "P"}, {}))
    assert fates(delivery) == [Fate.REJECTED, Fate.CREATED]
    assert marketo.sent == [1, 1]


@pytest.mark.parametrize(("rejected", "calls"), [(1, 3), (0, 5)])
def test_a_search_ends_with_the_reject_that_is_one_too_many(rejected, calls):
    # [0 1 2 3] refused, [0 1] refused, [0] refused: that is the first reject.
    answers = [refused("1003")] * 3 + ["created"] * 9
    marketo = Marketo(*answers)
    delivery = courier_to(marketo, rejected=rejected, max_rejects=1).deliver(
        batch_of({}, {}, {}, {})
    )
    assert len(marketo.sent) == calls
    assert delivery.is_settled is (rejected == 0)


def test_after_a_lost_answer_only_what_exists_is_looked_up_and_told_apart():
    answer = outcome("created", "1005", "1005", "1003", ambiguous=True)
    stored = [
        {KEY: "K0", "createdAt": "2026-03-04T05:06:07Z"},
        {KEY: "K1", "createdAt": "2026-03-04T05:06:07Z"},
        {KEY: "K2", "createdAt": "2026-03-04T05:06:06Z"},
        {KEY: "K3", "createdAt": "2026-03-04T05:06:09Z"},
    ]
    courier = courier_to(Marketo(answer, stored=stored), action="createOnly")
    delivery = courier.deliver(batch_of({}, {}, {}, {}))
    assert fates(delivery) == [Fate.CREATED, Fate.CREATED, Fate.REJECTED, Fate.REJECTED]
    counted = (delivery.own_creations, delivery.others_creations, delivery.untold_creations)
    assert counted == (1, 1, 0)


def test_a_record_that_a_native_crm_sync_keeps_ends_the_delivery_with_marketos_words():
    delivery = courier_to(Marketo(outcome("1018"))).deliver(batch_of({}))
    told = str(delivery.failure)
    assert all(part in told for part in ("a record of", "1018 Said Marketo", "requestId r9"))
    assert not delivery.is_settled


def test_a_status_that_nobody_knows_ends_the_delivery_with_the_id_of_the_request():
    answer = BatchOutcome([RecordResult(0, "queued")], "r9", False, SENT_AT)
    delivery = courier_to(Marketo(answer)).deliver(batch_of({}))
    assert "unknown status 'queued' (requestId r9)" in str(delivery.failure)


def test_what_exists_and_is_not_found_is_no_creation_of_ours():
    courier = courier_to(Marketo(outcome("1005", ambiguous=True)), action="createOnly")
    assert fates(courier.deliver(batch_of({}))) == [Fate.REJECTED]


@pytest.mark.parametrize(
    ("created_at", "fate"),
    [("2026-03-04T05:06:07", Fate.CREATED), ("2026-03-04T05:06:06", Fate.REJECTED)],
)
def test_a_creation_without_an_offset_is_told_in_utc(created_at, fate):
    stored = [{KEY: "K0", "createdAt": created_at}]
    marketo = Marketo(outcome("1005", ambiguous=True), stored=stored)
    assert fates(courier_to(marketo, action="createOnly").deliver(batch_of({}))) == [fate]


@pytest.mark.parametrize("dedupe_by", ["idField", "dedupeFields"])
def test_what_is_written_by_id_is_compared_by_id(dedupe_by):
    marketo = Marketo("updated")
    settings = {"dedupe_by": dedupe_by, "action": "updateOnly", "skip_unchanged": True}
    courier = courier_to(marketo, describe=lambda _: NO_FIELDS, **settings)
    assert fates(courier.deliver(batch_of({}))) == [Fate.UPDATED]
    assert marketo.asked["filter_type"] == dedupe_by


def test_records_whose_fate_cannot_be_looked_up_stay_unsettled():
    answer = outcome("created", "1005", ambiguous=True)
    lost = UnreachableError("GET /x", "gone")
    delivery = courier_to(Marketo(answer, stored=lost), action="createOnly").deliver(
        batch_of({}, {})
    )
    assert fates(delivery) == [Fate.CREATED, None]
    assert not delivery.is_settled
    assert delivery.failure is lost
