"""How the bad records of a refused call are found, and in how many calls."""

from __future__ import annotations

import random

import pytest

from marketo_opps import DataError, Reason, TooLargeError
from target_marketo_opps.delivery.bisection import AllRefusedError, BadRecordBisector


class Marketo:
    """Refuses every call that holds a bad record; counts."""

    def __init__(self, bad, *, code="1003", persons=None):
        self.bad = set(bad)
        self.code = code
        self.persons = persons or {}
        self.calls = []
        self.delivered = []
        self.refused = {}

    def attempt(self, indices):
        self.calls.append(list(indices))
        if self.bad.isdisjoint(indices):
            self.delivered += indices
            return None
        return DataError("POST /x", [Reason(self.code, "Bad")], f"r{len(self.calls)}")

    def refuse(self, indices, error):
        self.refused.update(dict.fromkeys(indices, error))

    def deliver(self, count):
        BadRecordBisector(
            attempt=self.attempt, reject=self.refuse, sales_person=self.persons.get
        ).deliver(range(count))
        assert sorted([*self.delivered, *self.refused]) == list(range(count))


@pytest.mark.parametrize(("bad", "most_calls"), [(0, 1), (1, 19), (15, 140), (60, 340)])
def test_the_bad_are_found_and_the_others_delivered_in_few_calls(bad, most_calls):
    for seed in range(20):
        marketo = Marketo(random.Random(seed).sample(range(300), bad))
        marketo.deliver(300)
        assert set(marketo.refused) == marketo.bad
        assert len(marketo.calls) <= most_calls


def test_where_all_are_bad_the_search_ends_early_and_names_the_code():
    marketo = Marketo(range(300))
    with pytest.raises(AllRefusedError, match="1003 Bad") as caught:
        marketo.deliver(300)
    assert len(marketo.calls) <= 12
    assert "requestId r" in str(caught.value)


def test_two_bad_records_at_the_front_do_not_end_the_search():
    marketo = Marketo([0, 1, 2, 3])
    marketo.deliver(300)
    assert set(marketo.refused) == {0, 1, 2, 3}


def test_a_half_whose_sibling_passed_is_not_asked_as_a_whole():
    marketo = Marketo([3])
    marketo.deliver(4)
    assert marketo.calls == [[0, 1, 2, 3], [0, 1], [2], [3]]


def test_every_rejected_record_has_the_answer_to_a_call_of_its_own():
    marketo = Marketo([5, 200])
    marketo.deliver(300)
    for index, error in marketo.refused.items():
        assert marketo.calls[int(error.request_id[1:]) - 1] == [index]


def test_records_are_delivered_in_order():
    marketo = Marketo([7, 100])
    marketo.deliver(300)
    assert marketo.delivered == sorted(marketo.delivered)


def test_718_is_searched_by_sales_person():
    persons = {index: f"P{index % 10}" for index in range(300)}
    marketo = Marketo([i for i in persons if persons[i] == "P3"], code="718", persons=persons)
    marketo.deliver(300)
    assert set(marketo.refused) == marketo.bad
    assert len(marketo.calls) <= 8


def test_records_without_a_sales_person_pass_at_once():
    persons = {0: "P"}
    marketo = Marketo([0], code="718", persons=persons)
    marketo.deliver(300)
    assert marketo.calls == [list(range(300)), list(range(1, 300))]


def test_one_sales_person_in_all_records_is_known_from_one_call():
    persons = dict.fromkeys(range(300), "P")
    marketo = Marketo(range(300), code="718", persons=persons)
    marketo.deliver(300)
    assert len(marketo.calls) == 1
    assert len(marketo.refused) == 300


def test_a_call_that_is_too_large_is_halved():
    delivered = []

    def attempt(indices):
        if len(indices) > 100:
            return TooLargeError("POST /x", [Reason("413", "Too large")], None)
        delivered.extend(indices)
        return None

    BadRecordBisector(attempt=attempt, reject=pytest.fail, sales_person=lambda _: None).deliver(
        range(300)
    )
    assert delivered == list(range(300))


# When the search ends early, and when it must not


class Refusing:
    """Refuses every call, with the code of its first record."""

    def __init__(self, codes):
        self.codes = codes
        self.calls = []
        self.refused = {}

    def attempt(self, indices):
        self.calls.append(list(indices))
        return DataError("POST /x", [Reason(self.codes[indices[0]], "Bad")], None)

    def refuse(self, indices, error):
        self.refused.update(dict.fromkeys(indices, error.code))

    def deliver(self):
        BadRecordBisector(
            attempt=self.attempt, reject=self.refuse, sales_person=lambda _: None
        ).deliver(range(len(self.codes)))


def test_a_few_records_that_are_all_bad_are_rejected_one_by_one():
    marketo = Refusing(["1003"] * 3)
    marketo.deliver()
    assert marketo.refused == dict.fromkeys(range(3), "1003")


def test_where_all_are_bad_the_eighth_call_is_the_last_but_for_one_from_the_far_end():
    marketo = Refusing(["1003"] * 128)
    with pytest.raises(AllRefusedError):
        marketo.deliver()
    # 128, 64, 32, 16, 8, 4, 2, 1, the record beside it, and the last.
    assert len(marketo.calls) == 10
    assert marketo.calls[-1] == [127]


def test_records_that_are_bad_in_two_ways_are_no_reason_to_stop():
    marketo = Refusing(["1003", "1006"] * 16)
    marketo.deliver()
    assert marketo.refused == {n: ("1003", "1006")[n % 2] for n in range(32)}
