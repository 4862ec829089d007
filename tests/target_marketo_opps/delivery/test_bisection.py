"""Test how the bad records of a refused call are found, and in how many calls."""

from __future__ import annotations

import random

import pytest

from marketo_opps import DataError, MarketoObject, Reason, TooLargeError
from target_marketo_opps.delivery.batches import BatchTarget, Operation
from target_marketo_opps.delivery.bisection import AllRefusedError, Refused, bisect

MOST_CALLS = 15


def refusal(code, call=0):
    return DataError("POST /x", [Reason(code, "Bad")], f"r{call}")


class Marketo:
    """Refuses every call with a bad record, with the code of the first one; counts calls."""

    def __init__(self, bad, *, code="1003", persons=None, proven=False):
        self.codes = bad if isinstance(bad, dict) else dict.fromkeys(bad, code)
        self.persons = persons or {}
        self.target = BatchTarget(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("k",))
        self.target.has_accepted = proven
        self.calls, self.delivered, self.refused = [], [], {}
        self.gave_up = None

    def answer(self, indices):
        self.calls.append(list(indices))
        bad = [self.codes[index] for index in indices if index in self.codes]
        if bad:
            return refusal(bad[0], len(self.calls))
        self.delivered += indices
        return None

    def deliver(self, count):
        error = self.answer(range(count))
        if error is not None:
            self.gave_up = self.drive(bisect(error, self.who(count), self.target))
        return self

    def who(self, count):
        return {index: self.persons.get(index) for index in range(count)}

    def drive(self, steps):
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            is_call = not isinstance(step, Refused)
            answer = self.answer(step) if is_call else None
            if not is_call:
                assert self.refused.keys().isdisjoint(step.indices)
                self.refused.update(dict.fromkeys(step.indices, step.error))

    def assert_all_known(self, count):
        assert self.gave_up is None
        assert self.refused.keys() == self.codes.keys()
        assert sorted([*self.delivered, *self.refused]) == list(range(count))


@pytest.mark.parametrize(("bad", "most_calls"), [(0, 1), (1, 19), (15, 140), (60, 340)])
def test_bad_records_are_found_and_others_delivered_in_few_calls(bad, most_calls):
    for seed in range(20):
        marketo = Marketo(random.Random(seed).sample(range(300), bad)).deliver(300)
        marketo.assert_all_known(300)
        assert len(marketo.calls) <= most_calls


@pytest.mark.parametrize(
    "bad",
    [
        [0, 1, 299],
        [0, 1, 2, 3],
        [296, 297, 298, 299],
        [0, 149, 150, 299],
        range(0, 300, 50),
        [*range(50), *range(250, 300)],
        range(1, 300),
        range(299),
    ],
)
@pytest.mark.parametrize("proven", [False, True])
def test_good_records_are_delivered_at_every_position(bad, proven):
    # If no record was accepted before, the search ends when all samples are bad.
    marketo = Marketo(bad, proven=proven).deliver(300)
    if proven or len(bad) < 290:
        marketo.assert_all_known(300)
    else:
        assert isinstance(marketo.gave_up, AllRefusedError)


def test_random_bad_records_never_stop_the_good_ones():
    for seed in range(300):
        chance = random.Random(seed)
        count = chance.randint(1, 40)
        bad = {
            index: chance.choice(["1003", "1006", "718"])
            for index in chance.sample(range(count), chance.randint(0, count))
        }
        persons = {index: f"P{index}" for index, code in bad.items() if code == "718"}
        Marketo(bad, persons=persons, proven=True).deliver(count).assert_all_known(count)


def test_search_ends_early_with_the_code_if_all_records_are_bad():
    marketo = Marketo(range(300)).deliver(300)
    assert isinstance(marketo.gave_up, AllRefusedError)
    assert len(marketo.calls) == 14 <= MOST_CALLS
    assert "1003 Bad" in str(marketo.gave_up)
    assert "requestId r" in str(marketo.gave_up)


@pytest.mark.parametrize("count", range(1, 300, 7))
def test_batch_of_bad_records_costs_at_most_fifteen_calls(count):
    marketo = Marketo(range(count)).deliver(count)
    assert len(marketo.calls) <= MOST_CALLS
    assert marketo.gave_up or len(marketo.refused) == count


def test_samples_are_single_records_from_the_whole_batch():
    marketo = Marketo(range(300)).deliver(300)
    assert [len(call) for call in marketo.calls[8:]] == [1] * 6
    sampled = [call[0] for call in marketo.calls[8:]]
    assert sampled == sorted(sampled)
    assert [index // 50 for index in sampled] == list(range(6))


def test_search_continues_if_one_sample_passes():
    marketo = Marketo(set(range(300)) - {275}).deliver(300)
    marketo.assert_all_known(300)


def test_search_continues_if_the_target_has_accepted_records():
    marketo = Marketo(range(300), proven=True).deliver(300)
    assert marketo.gave_up is None
    assert len(marketo.refused) == 300


def test_search_ends_early_if_records_are_bad_in_two_ways():
    marketo = Marketo({n: ("1003", "1006")[n % 2] for n in range(300)}).deliver(300)
    assert isinstance(marketo.gave_up, AllRefusedError)
    assert len(marketo.calls) <= MOST_CALLS


def test_half_whose_sibling_passed_is_not_sent_as_a_whole():
    marketo = Marketo([3]).deliver(4)
    assert marketo.calls == [[0, 1, 2, 3], [0, 1], [2], [3]]


@pytest.mark.parametrize("bad", [[5, 200], [0, 1, 299], [*range(9), 150]])
def test_each_rejected_record_has_the_reason_of_its_own_call(bad):
    marketo = Marketo(bad).deliver(300)
    for index, error in marketo.refused.items():
        assert marketo.calls[int(error.request_id[1:]) - 1] == [index]


def test_records_are_delivered_in_order():
    marketo = Marketo([7, 100]).deliver(300)
    assert marketo.delivered == sorted(marketo.delivered)


def test_718_is_searched_by_sales_person():
    persons = {index: f"P{index % 10}" for index in range(300)}
    bad = [index for index in persons if persons[index] == "P3"]
    marketo = Marketo(bad, code="718", persons=persons).deliver(300)
    marketo.assert_all_known(300)
    assert len(marketo.calls) <= 8


def test_ten_unknown_of_120_sales_persons_do_not_stop_the_others():
    persons = {index: f"P{index % 120}" for index in range(300)}
    bad = [index for index in persons if index % 120 < 10]
    marketo = Marketo(bad, code="718", persons=persons).deliver(300)
    marketo.assert_all_known(300)
    assert len(marketo.delivered) == 300 - len(bad)
    assert len(marketo.calls) <= 40


def test_300_unknown_sales_persons_cost_no_more_than_fifteen_calls():
    persons = {index: f"P{index}" for index in range(300)}
    marketo = Marketo(range(300), code="718", persons=persons).deliver(300)
    assert isinstance(marketo.gave_up, AllRefusedError)
    assert len(marketo.calls) <= MOST_CALLS


def test_records_without_a_sales_person_pass_at_once():
    marketo = Marketo([0], code="718", persons={0: "P"}).deliver(300)
    assert marketo.calls == [list(range(300)), list(range(1, 300))]


def test_one_sales_person_in_all_records_is_known_from_one_call():
    persons = dict.fromkeys(range(300), "P")
    marketo = Marketo(range(300), code="718", persons=persons).deliver(300)
    assert len(marketo.calls) == 1
    assert len(marketo.refused) == 300


def test_a_call_that_is_too_large_is_halved():
    class Small(Marketo):
        def answer(self, indices):
            if len(indices) > 100:
                return TooLargeError("POST /x", [Reason("413", "Too large")], None)
            return super().answer(indices)

    marketo = Small([]).deliver(300)
    assert marketo.delivered == list(range(300))


def test_small_batch_of_bad_records_is_rejected_one_by_one():
    marketo = Marketo(range(3)).deliver(3)
    marketo.assert_all_known(3)


def test_no_call_is_repeated_after_samples():
    # Records 0 to 3 are refused in the first eight calls; 4 is a sample, and so is 5.
    marketo = Marketo([0, 1, 2, 3, 4, 6]).deliver(8)
    marketo.assert_all_known(8)
    assert len(marketo.calls) == len(set(map(tuple, marketo.calls)))


@pytest.mark.parametrize("count", range(1, 10))
def test_batch_whose_records_are_all_sampled_is_not_abandoned(count):
    Marketo(range(count)).deliver(count).assert_all_known(count)


def test_sales_persons_found_by_samples_are_not_sent_again():
    persons = {index: f"P{index % 5}" for index in range(10)}
    Marketo(range(10), code="718", persons=persons).deliver(10).assert_all_known(10)


PERSONS = {index: f"P{index % 150}" for index in range(300)}


def test_sample_of_a_bad_sales_person_settles_all_its_records():
    marketo = Marketo([0, 150, 12, 162], code="718", persons=PERSONS).deliver(300)
    marketo.assert_all_known(300)
    assert marketo.calls[8] == [12]
    assert not any(162 in call for call in marketo.calls[8:])
    assert {error.code for error in marketo.refused.values()} == {"718"}


def test_sample_bad_for_another_reason_settles_itself_only():
    bad = {0: "718", 150: "718", 12: "1003"}
    marketo = Marketo(bad, persons=PERSONS).deliver(300)
    marketo.assert_all_known(300)
    assert {index: error.code for index, error in marketo.refused.items()} == bad


def test_nothing_is_sampled_after_a_call_that_passed():
    marketo = Marketo([18]).deliver(300)
    assert [call for call in marketo.calls if len(call) == 1] == [[18], [19]]
