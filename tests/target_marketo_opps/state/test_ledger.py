"""Test the ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_marketo_opps.state.ledger import Ledger


@pytest.fixture
def ledger():
    return Ledger()


def test_state_without_records_before_it_is_due_at_once(ledger):
    ledger.state("a", now=0)
    assert list(ledger.due()) == ["a"]


def test_a_state_waits_for_the_batch_that_was_open_when_it_came(ledger):
    ledger.hold("batch")
    ledger.state("a", now=0)
    assert list(ledger.due()) == []
    ledger.settle("batch")
    assert list(ledger.due()) == ["a"]


def test_batch_opened_after_a_state_does_not_hold_it(ledger):
    ledger.state("a", now=0)
    ledger.hold("batch")
    assert list(ledger.due()) == ["a"]


def test_states_are_due_in_order_if_batches_settle_out_of_order(ledger):
    ledger.hold(1)
    ledger.state("a", now=0)
    ledger.hold(2)
    ledger.state("b", now=0)
    ledger.settle(2)
    assert list(ledger.due()) == []
    ledger.settle(1)
    assert list(ledger.due()) == ["a", "b"]


def test_states_with_equal_dependencies_collapse_into_the_newest(ledger):
    ledger.hold(1)
    for value in ("a", "b", "c"):
        ledger.state(value, now=0)
    ledger.settle(1)
    assert list(ledger.due()) == ["c"]


def test_collapsed_states_keep_the_earlier_arrival(ledger):
    ledger.hold(1)
    ledger.state("a", now=10)
    ledger.state("b", now=200)
    assert ledger.oldest_arrived_at == 10
    assert ledger.overdue(arrived_until=10) == [1]
    assert ledger.overdue(arrived_until=9) == []


def test_only_what_an_old_state_waits_for_is_overdue(ledger):
    ledger.hold("old")
    ledger.state("a", now=0)
    ledger.hold("young")
    ledger.state("b", now=100)
    assert ledger.overdue(arrived_until=50) == ["old"]


def test_a_batch_that_never_settles_holds_all_later_states(ledger):
    ledger.hold("lost")
    ledger.state("a", now=0)
    ledger.hold("fine")
    ledger.state("b", now=0)
    ledger.settle("fine")
    assert list(ledger.due()) == []


def test_states_of_a_queued_record_move_to_its_batch(ledger):
    ledger.hold("record")
    ledger.state("a", now=0)
    ledger.hold("batch")
    ledger.state("b", now=0)
    ledger.move("record", "batch")
    assert list(ledger.due()) == []
    ledger.settle("batch")
    assert list(ledger.due()) == ["a", "b"]


def test_queued_record_may_join_a_batch_with_older_states(ledger):
    ledger.hold("batch")
    ledger.state("a", now=0)
    ledger.hold("record")
    ledger.state("b", now=0)
    ledger.move("record", "batch")
    assert list(ledger.due()) == []
    ledger.settle("batch")
    assert list(ledger.due()) == ["a", "b"]


@given(st.lists(st.sampled_from(["hold", "state", "settle"]), max_size=60), st.randoms())
def test_no_state_is_due_before_everything_before_it(steps, random):
    ledger, unsettled, came, last_out = Ledger(), set(), {}, -1
    for number, step in enumerate(steps):
        if step == "hold":
            ledger.hold(number)
            unsettled.add(number)
        elif step == "state":
            ledger.state(number, now=0)
            came[number] = set(unsettled)
        elif unsettled:
            token = random.choice(sorted(unsettled))
            unsettled.remove(token)
            ledger.settle(token)
        for value in ledger.due():
            assert not came[value] & unsettled
            assert value > last_out
            last_out = value
    for token in unsettled:
        ledger.settle(token)
    rest = list(ledger.due())
    assert (rest or [last_out])[-1] == max(came, default=-1)


def test_a_state_waits_for_parked_records_that_are_only_counted():
    ledger = Ledger()
    ledger.hold("batch")
    number = ledger.park("batch")
    assert ledger.park("batch") == number
    ledger.state(1, now=0)
    ledger.settle("batch")
    assert list(ledger.due()) == []
    ledger.unpark(number)
    ledger.unpark(number, onto="record")
    assert list(ledger.due()) == []
    ledger.settle("record")
    assert list(ledger.due()) == [1]


def test_a_role_parked_after_a_state_came_holds_it_like_its_batch():
    ledger = Ledger()
    ledger.hold("batch")
    ledger.state(1, now=0)
    number = ledger.park("batch")
    ledger.settle("batch")
    assert list(ledger.due()) == []
    ledger.unpark(number)
    assert list(ledger.due()) == [1]


def test_a_record_parked_on_arrival_holds_only_later_states():
    ledger = Ledger()
    ledger.hold("batch")
    ledger.state(1, now=0)
    number = ledger.park()
    ledger.state(2, now=0)
    ledger.settle("batch")
    assert list(ledger.due()) == [1]
    ledger.unpark(number)
    assert list(ledger.due()) == [2]


def test_states_of_a_parked_record_move_to_a_later_batch():
    ledger = Ledger()
    number = ledger.park()
    ledger.state(1, now=0)
    ledger.hold("batch")
    ledger.state(2, now=0)
    ledger.unpark(number, onto="batch")
    assert list(ledger.due()) == []
    ledger.settle("batch")
    assert list(ledger.due()) == [1, 2]


def test_the_last_state_that_is_overdue_is_known_by_its_number():
    ledger = Ledger()
    for value in range(3):
        ledger.hold(value)
        ledger.state(value, now=value)
    assert ledger.last_overdue(arrived_until=-1) == -1
    assert ledger.last_overdue(arrived_until=1) == 1


def test_parked_role_joining_an_older_queue_frees_no_state(ledger):
    ledger.hold("record")
    ledger.state("a", now=0)
    number = ledger.park()
    ledger.state("b", now=0)
    ledger.unpark(number, onto="record")
    assert list(ledger.due()) == []
    ledger.settle("record")
    assert list(ledger.due()) == ["a", "b"]
