"""Tests of when a time box stops calls, and how long it waits for those in flight."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from marketo_opps import StoppedError
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.sync.time_box import TimeBox


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Stopped(ShutdownSignal):
    requested = True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def box_of(clock):
    """Return a time box of ten seconds, whose process began at the time 100."""

    def make(seconds=10, shutdown=None, **more):
        shutdown = shutdown or ShutdownSignal(poll_seconds=0.001)
        return TimeBox(seconds, began=100.0, clock=clock, shutdown=shutdown, **more)

    return make


def test_time_counts_from_the_beginning_of_the_process(box_of, clock):
    box = box_of()
    box.note_advance()
    clock.now = 109.9
    assert not box.requested
    clock.now = 110.0
    assert box.requested


def test_it_is_not_over_before_the_run_has_advanced(box_of, clock):
    box = box_of()
    clock.now = 1000.0
    assert not box.requested
    box.note_advance()
    assert box.requested


def test_without_seconds_it_is_never_over(box_of, clock):
    box = box_of(None)
    box.note_advance()
    clock.now = 1e9
    assert not box.requested


def test_calls_in_flight_get_a_grace_from_when_it_is_over(box_of, clock):
    stops = []
    box = box_of(stop_calls=lambda: stops.append(clock.now), grace_seconds=5)
    box.note_advance()
    clock.now = 111.0

    def pass_time():
        clock.now += 1

    with pytest.raises(StoppedError):
        box.result(Future(), pass_time)
    assert stops == [111.0]
    assert clock.now == 117.0


def test_a_call_that_is_answered_after_the_grace_still_counts(box_of, clock):
    box = box_of(grace_seconds=5)
    box.note_advance()
    clock.now = 1000.0
    answered = Future()
    answered.set_result("page")
    box.stop_calls_if_over()
    clock.now = 2000.0
    assert box.result(answered) == "page"


def test_a_signal_goes_before_it(box_of, clock):
    box = box_of(shutdown=Stopped())
    box.note_advance()
    clock.now = 1000.0
    with pytest.raises(StoppedError), box.pausing(lambda: "here"):
        raise StoppedError("a signal")


def test_what_stops_a_run_in_time_is_no_pause(box_of):
    box = box_of()
    box.note_advance()
    with pytest.raises(StoppedError), box.pausing(lambda: "here"):
        raise StoppedError("something else")


def test_streams_that_come_too_late_are_named_once(box_of, clock, caplog):
    box = box_of(selected=lambda: ["a", "b", "c", "d"])
    box.begin("a", "b")
    box.note_advance()
    clock.now = 1000.0
    assert [name for name in "abcd" if box.admits(name)] == ["a", "b"]
    (line,) = [each.getMessage() for each in caplog.records]
    assert "Not started: c, d." in line
