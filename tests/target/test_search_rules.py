"""When the search for bad records ends early, and when it must not."""

from __future__ import annotations

import pytest

from marketo_opps import DataError, Reason
from target_marketo_opps.apart import AllRefusedError, Search


class Marketo:
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
        Search(attempt=self.attempt, refuse=self.refuse, sales_person=lambda _: None).deliver(
            range(len(self.codes))
        )


def test_a_few_records_that_are_all_bad_are_rejected_one_by_one():
    marketo = Marketo(["1003"] * 3)
    marketo.deliver()
    assert marketo.refused == dict.fromkeys(range(3), "1003")


def test_where_all_are_bad_the_eighth_call_is_the_last_but_for_one_from_the_far_end():
    marketo = Marketo(["1003"] * 128)
    with pytest.raises(AllRefusedError):
        marketo.deliver()
    # 128, 64, 32, 16, 8, 4, 2, 1, the record beside it, and the last.
    assert len(marketo.calls) == 10
    assert marketo.calls[-1] == [127]


def test_records_that_are_bad_in_two_ways_are_no_reason_to_stop():
    marketo = Marketo(["1003", "1006"] * 16)
    marketo.deliver()
    assert marketo.refused == {n: ("1003", "1006")[n % 2] for n in range(32)}
