"""Test when the opportunities of roles that hold back a STATE are looked up."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from marketo_opps import MAX_BATCH_RECORDS
from target_marketo_opps.delivery.overdue_roles import OverdueRoles

PATIENCE_SECONDS = 300.0


class Bench:
    """Roles that wait for as many opportunities as the test says, and calls that it answers."""

    def __init__(self, due):
        self.due, self.overdue_until, self.now = due, 7, 1000.0
        self.started, self.asked, self.found = [], [], []
        self.roles = OverdueRoles(
            SimpleNamespace(waiting=self),
            SimpleNamespace(start=lambda _find, ids, take: self.started.append((ids, take))),
            SimpleNamespace(overdue_number=lambda: self.overdue_until),
            client=None,
            clock=lambda: self.now,
            patience_seconds=PATIENCE_SECONDS,
        )

    def opportunities_to_look_up(self, most, **limits):
        self.asked.append(limits)
        return [f"K{number}" for number in range(min(most, self.due))]

    def look(self):
        self.roles.look_up_next(self.found.extend)

    def answer(self, *found):
        call = Future()
        call.set_result(found)
        self.started[-1][1](call)


def test_next_lookup_starts_when_the_first_is_answered():
    bench = Bench(due=MAX_BATCH_RECORDS)
    bench.look()
    bench.look()
    assert len(bench.started) == 1
    bench.answer("k1", "k2")
    assert bench.found == ["k1", "k2"]
    bench.look()
    assert [len(ids) for ids, _ in bench.started] == [MAX_BATCH_RECORDS] * 2


@pytest.mark.parametrize("due", [0, MAX_BATCH_RECORDS - 1])
def test_if_fewer_than_a_call_holds_are_due_the_next_check_waits(due):
    bench = Bench(due)
    bench.look()
    if due:
        bench.answer()
    bench.now += PATIENCE_SECONDS / 10 - 0.1
    bench.look()
    assert len(bench.asked) == 1
    bench.now += 0.1
    bench.look()
    assert len(bench.asked) == 2


def test_an_opportunity_is_looked_up_again_when_patience_is_over():
    bench = Bench(due=1)
    bench.look()
    assert bench.asked == [
        {"until": 7, "looked_up_before": bench.now - PATIENCE_SECONDS, "now": bench.now}
    ]


def test_without_an_overdue_state_nothing_is_looked_up():
    bench = Bench(due=1)
    bench.overdue_until = -1
    bench.look()
    assert bench.asked == []
