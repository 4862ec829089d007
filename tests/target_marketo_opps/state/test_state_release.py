"""Test when STATEs are written, and when they have been held back for too long."""

from __future__ import annotations

import pytest

from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.state_release import StateRelease


class Bench:
    """A release of STATEs that notes, in order, the files flushed and the STATEs written."""

    def __init__(self, *, writes=True):
        self.now = 1_000.0
        self.log = []
        self.ledger = Ledger()
        self.states = StateRelease(
            self.ledger,
            self.log.append if writes else None,
            before_write=lambda: self.log.append("flushed"),
            clock=lambda: self.now,
            patience_seconds=300.0,
        )

    def hold(self, token, value):
        self.ledger.hold(token)
        self.states.add(value)


@pytest.fixture
def bench():
    return Bench()


def test_files_are_flushed_once_before_the_states_are_written(bench):
    bench.hold("first", 1)
    bench.hold("second", 2)
    bench.states.settle("second")
    assert bench.log == []
    bench.states.settle("first")
    assert bench.log == ["flushed", 1, 2]


def test_without_a_writer_files_are_flushed_all_the_same():
    bench = Bench(writes=False)
    bench.states.add(1)
    assert bench.log == ["flushed"]
    assert not bench.ledger.has_due


def test_a_state_is_overdue_after_the_patience(bench):
    assert bench.states.next_overdue_at is None
    bench.hold("token", 1)
    bench.now = 1_299.9
    assert bench.states.overdue() == []
    assert bench.states.overdue_number() == -1
    assert bench.states.next_overdue_at == 1_300
    bench.now = 1_300.0
    assert bench.states.overdue() == ["token"]
    assert bench.states.overdue_number() == 0
    assert bench.states.next_overdue_at is None
