"""The results of records: matched to the input, with reasons."""

from __future__ import annotations

import pytest

from marketo_opps.envelope import Envelope
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.models import Reason
from marketo_opps.record_results import read_record_results


def envelope(*items):
    return Envelope(list(items), "r#1", more=False, next_page_token=None, warnings=())


def test_record_results_are_matched_by_seq_not_by_position():
    results = read_record_results(
        "POST /x",
        envelope(
            {"seq": 1, "status": "updated", "marketoGUID": "g1 "},
            {"seq": 0, "status": "created", "marketoGUID": "g0"},
        ),
        sent=2,
    )
    assert [(each.seq, each.status, each.marketo_guid) for each in results] == [
        (0, "created", "g0"),
        (1, "updated", "g1"),
    ]
    assert all(each.accepted for each in results)


def test_a_skipped_record_has_all_its_reasons():
    reasons = [{"code": 1004, "message": "not found"}, {"code": "1003", "message": "bad"}]
    (result,) = read_record_results(
        "POST /x", envelope({"seq": 0, "status": "skipped", "reasons": reasons}), sent=1
    )
    assert not result.accepted
    assert result.marketo_guid is None
    assert result.reasons == (Reason("1004", "not found"), Reason("1003", "bad"))


def test_reasons_may_be_named_errors_without_a_status():
    errors = [{"code": "1004", "message": "not found"}]
    results = read_record_results(
        "POST /x",
        envelope({"seq": 0, "errors": errors}, {"seq": 1, "status": "skipped", "errors": errors}),
        sent=2,
    )
    assert [each.status for each in results] == ["skipped", "skipped"]
    assert all(each.reasons == (Reason("1004", "not found"),) for each in results)


@pytest.mark.parametrize("status", ["skipped", "failed", "queued"])
def test_an_unknown_status_is_not_accepted_and_has_a_reason(status):
    (result,) = read_record_results("POST /x", envelope({"seq": 0, "status": status}), sent=1)
    assert not result.accepted
    assert status in str(result.reasons[0])


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"seq": 0, "status": "created"}],
        [{"seq": 0, "status": "created"}] * 2,
        [{"seq": 0, "status": "created"}, {"seq": 2, "status": "created"}],
        [{"seq": number, "status": "created"} for number in range(3)],
        [{"seq": 0, "status": "created"}, {"seq": 1}],
        [{"seq": 0, "status": "created"}, "created"],
        [{"seq": 0, "status": "created"}, {"seq": "first", "status": "created"}],
        *(
            [{"seq": 0, "status": "created"}, {"seq": seq, "status": "created"}]
            for seq in ([1], 1.5, "0_1", "\u0661", True)
        ),
    ],
)
def test_results_that_do_not_match_the_records_are_an_error(items):
    with pytest.raises(UnexpectedResponseError, match=r"2 records.*r#1.*Run again") as caught:
        read_record_results("POST /x", envelope(*items), sent=2)
    assert caught.value.ambiguous


@pytest.mark.parametrize("seq", [{}, {"seq": None}])
def test_results_without_seq_are_in_the_order_of_the_input(seq):
    results = read_record_results(
        "POST /x", envelope({"status": "created", **seq}, {"status": "deleted", **seq}), sent=2
    )
    assert [each.status for each in results] == ["created", "deleted"]


def test_a_seq_may_be_a_string_and_a_guid_a_number():
    results = read_record_results(
        "POST /x",
        envelope(
            {"seq": "1.0", "status": "updated", "marketoGUID": 5}, {"seq": "0", "status": "updated"}
        ),
        sent=2,
    )
    assert [(each.seq, each.marketo_guid) for each in results] == [(0, None), (1, "5")]


def test_a_result_with_nothing_but_reasons_is_a_skipped_record():
    reasons = [{"code": "1004", "message": "not found"}]
    (result,) = read_record_results("POST /x", envelope({"seq": 0, "reasons": reasons}), sent=1)
    assert (result.status, result.reasons) == ("skipped", (Reason("1004", "not found"),))
