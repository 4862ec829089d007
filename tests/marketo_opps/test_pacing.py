"""The limits of calls in 20 seconds and of concurrent calls, with clocks that only tests move."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps.errors import StoppedError
from marketo_opps.pacing import WINDOW_SECONDS, Pacer, SlidingWindow

MARGIN_SECONDS = 0.05
LONGEST_TRAVEL_SECONDS = 1.0


class BlockedError(Exception):
    """A call would have to wait."""


def refuse_to_wait(_condition, _seconds):
    raise BlockedError


def most_within(window_seconds, times):
    times = sorted(times)
    return max(sum(start <= each < start + window_seconds for each in times) for start in times)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def nap(self, _condition, seconds):
        self.now += seconds


@given(
    limit=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 30, allow_subnormal=False), min_size=1, max_size=250),
)
def test_no_window_has_too_many_calls_and_no_call_waits_too_long(limit, gaps):
    clock = Clock()
    pacer = Pacer(limit, 10, clock=clock, nap=clock.nap)
    wanted, sent = [], []
    for gap in gaps:
        clock.now += gap
        wanted.append(clock.now)
        with pacer.slot():
            sent.append(clock.now)

    assert most_within(WINDOW_SECONDS, sent) <= limit
    for index, (asked, went) in enumerate(zip(wanted, sent, strict=True)):
        freed = sent[index - limit] + WINDOW_SECONDS + MARGIN_SECONDS if index >= limit else 0
        assert went == pytest.approx(max(asked, freed), abs=1e-6)


class Traffic:
    """Calls with travel times that may overlap; time passes only while a call waits."""

    def __init__(self, limit, at_once):
        self.now = 0.0
        self.pacer = Pacer(limit, at_once, clock=lambda: self.now, nap=self.nap)
        self.arrivals = []
        self._under_way = []
        self._numbers = itertools.count()

    def nap(self, _condition, seconds):
        self.let_pass(seconds)

    def let_pass(self, seconds):
        until = self.now + seconds
        while self._under_way and self._under_way[0][0] <= until:
            self.now, _, do = heapq.heappop(self._under_way)
            do()
        self.now = until

    def call(self, travel, longer, *, late=0.0):
        """Take a slot; send after `late` seconds, arrive after `travel`, end after `longer`."""
        slot = self.pacer.slot()
        turn = slot.__enter__()
        self.arrivals.append(self.now + late + travel)
        self._at(self.now + late, lambda: self.pacer.note_sent(turn))
        self._at(self.now + late + travel + longer, lambda: slot.__exit__(None, None, None))

    def _at(self, when, do):
        heapq.heappush(self._under_way, (when, next(self._numbers), do))


@given(
    limit=st.integers(1, 30),
    at_once=st.integers(1, 10),
    calls=st.lists(
        st.tuples(
            st.floats(0, 3, allow_subnormal=False),
            st.floats(0, LONGEST_TRAVEL_SECONDS, allow_subnormal=False),
            st.one_of(st.just(0.0), st.floats(0, 40, allow_subnormal=False)),
            st.one_of(st.just(0.0), st.floats(0, 9, allow_subnormal=False)),
        ),
        min_size=1,
        max_size=100,
    ),
)
def test_no_window_has_too_many_arrivals_however_calls_travel(limit, at_once, calls):
    traffic = Traffic(limit, at_once)
    for gap, travel, longer, late in calls:
        traffic.let_pass(gap)
        traffic.call(travel, longer, late=late)

    assert most_within(WINDOW_SECONDS, traffic.arrivals) <= limit


@pytest.mark.parametrize("answered_before", [False, True])
def test_calls_in_flight_count_against_the_limit(answered_before):
    traffic = Traffic(2, 5)
    if answered_before:
        traffic.call(0.0, 0.0)
        traffic.call(0.0, 0.0)
        traffic.let_pass(30)
    for _ in range(3):
        traffic.call(0.0, 3.0)

    *_, first, second, third = traffic.arrivals
    assert second == first
    assert third >= first + WINDOW_SECONDS


def test_a_slow_response_does_not_delay_the_next_window():
    traffic = Traffic(1, 5)
    traffic.call(0.0, 15.0)
    traffic.call(0.0, 0.0)

    first, second = traffic.arrivals
    assert first + WINDOW_SECONDS < second <= first + WINDOW_SECONDS + 1.1


def test_slow_first_calls_do_not_reduce_the_room_for_later_ones():
    traffic = Traffic(20, 10)
    for number in range(60):
        traffic.call(0.45 if number < 10 else 0.0, 0.01)

    assert most_within(WINDOW_SECONDS, traffic.arrivals) == 20
    # 40 of them have to wait, for two windows.
    assert traffic.arrivals[-1] < 2 * (WINDOW_SECONDS + LONGEST_TRAVEL_SECONDS) + 1


def test_all_calls_may_start_at_once_and_again_after_a_window():
    clock = Clock()
    pacer = Pacer(50, 10, clock=clock, nap=clock.nap)
    sent = []
    for _ in range(101):
        with pacer.slot():
            sent.append(clock.now)
    assert sent[:50] == [0.0] * 50
    assert sent[50:100] == pytest.approx([WINDOW_SECONDS + MARGIN_SECONDS] * 50)
    assert sent[100] == pytest.approx(2 * (WINDOW_SECONDS + MARGIN_SECONDS))


def test_a_window_forgets_old_calls():
    window = SlidingWindow(3, 20.0)
    for now in range(100):
        window.add(float(now))
    assert len(window._times) == 3
    assert window.seconds_until_free(100.0) == pytest.approx(17.0)


@pytest.mark.parametrize(("per_window", "at_once"), [(50, 5), (7, 3), (100, 10), (3, 1)])
def test_threads_together_stay_within_both_limits(
    per_window, at_once, shared_time, in_threads, let_go_at
):
    pacer = Pacer(per_window, at_once, clock=shared_time.clock, nap=shared_time.nap)
    lock = threading.Lock()
    under_way = most_under_way = 0

    def work(index):
        nonlocal under_way, most_under_way
        chance = random.Random(index)
        for _ in range(20):
            with pacer.slot():
                with lock:
                    under_way += 1
                    most_under_way = max(most_under_way, under_way)
                shared_time.move(chance.uniform(0, 0.5))
                time.sleep(0)
                with lock:
                    under_way -= 1

    assert in_threads(at_once + 4, work) == [None] * (at_once + 4)
    assert len(let_go_at) == 20 * (at_once + 4)
    assert most_within(WINDOW_SECONDS, let_go_at) <= per_window
    assert most_under_way <= at_once


def test_a_failed_call_releases_its_slot():
    clock = Clock()
    pacer = Pacer(50, 1, clock=clock, nap=refuse_to_wait)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), pacer.slot():
            raise ZeroDivisionError


class TestPause:
    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def pacer(self, clock):
        return Pacer(50, 5, clock=clock, nap=refuse_to_wait)

    @staticmethod
    def is_free(pacer):
        try:
            with pacer.slot():
                return True
        except BlockedError:
            return False

    def test_no_call_starts_during_a_pause(self, pacer, clock):
        pacer.pause(6)
        assert not self.is_free(pacer)
        clock.now += 5.9
        assert not self.is_free(pacer)
        clock.now += 0.2
        assert self.is_free(pacer)

    def test_a_shorter_pause_does_not_shorten_a_longer_one(self, pacer, clock):
        pacer.pause(6)
        pacer.pause(1)
        clock.now += 5
        assert not self.is_free(pacer)

    def test_after_a_pause_one_call_probes_the_limit(self, pacer, clock):
        pacer.pause(6)
        clock.now += 6
        with pacer.slot() as turn:
            assert not self.is_free(pacer)
        assert not self.is_free(pacer)
        pacer.report_outcome(turn)
        assert all(self.is_free(pacer) for _ in range(5))

    def test_after_a_failed_probe_another_single_probe_follows(self, pacer, clock):
        pacer.pause(6)
        clock.now += 6
        with pacer.slot() as turn:
            pass
        pacer.pause(12)
        pacer.report_outcome(turn)
        assert not self.is_free(pacer)
        clock.now += 12
        assert self.is_free(pacer)
        assert not self.is_free(pacer)

    def test_the_outcome_of_an_earlier_call_does_not_end_a_pause(self, pacer, clock):
        with pacer.slot() as early:
            pacer.pause(6)
        pacer.report_outcome(early)
        clock.now += 6
        assert self.is_free(pacer)
        assert not self.is_free(pacer)

    def test_earlier_calls_in_flight_do_not_delay_the_probe(self, pacer, clock):
        with pacer.slot(), pacer.slot():
            pacer.pause(6)
            clock.now += 6
            assert self.is_free(pacer)

    def test_without_a_pause_no_call_is_delayed(self, pacer):
        with pacer.slot() as turn:
            assert self.is_free(pacer)
        pacer.report_outcome(turn)
        assert self.is_free(pacer)


class TestStop:
    @pytest.fixture
    def waiting(self):
        """Return a pacer on which a thread waits long in real time, and a list for the result."""
        return Pacer(1, 1), []

    @pytest.mark.parametrize("wait", ["slot", "sleep"])
    def test_a_stop_soon_ends_the_wait_of_a_thread(self, wait, waiting):
        pacer, ended = waiting
        with pacer.slot():
            pass

        def work():
            try:
                if wait == "slot":
                    with pacer.slot():
                        pytest.fail("a call was started")
                else:
                    pacer.sleep(3600)
            except StoppedError as error:
                ended.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        began = time.monotonic()
        pacer.stop()
        thread.join(timeout=5)
        assert time.monotonic() - began < 1
        assert len(ended) == 1

    def test_after_a_stop_no_call_starts_in_a_free_slot(self):
        pacer = Pacer(50, 5)
        pacer.stop()
        with pytest.raises(StoppedError, match="no new calls"), pacer.slot():
            pytest.fail("a call was started")
        with pytest.raises(StoppedError):
            pacer.sleep(0)

    def test_a_stop_does_not_end_a_call_in_flight(self):
        pacer = Pacer(50, 5)
        with pacer.slot() as turn:
            pacer.stop()
        pacer.report_outcome(turn)

    def test_stop_takes_no_lock_and_may_run_in_a_signal_handler(self):
        def nap(_condition, _seconds):
            """Stop the pacer while its lock is held."""
            stopping = threading.Thread(target=pacer.stop)
            stopping.start()
            stopping.join(timeout=5)
            assert not stopping.is_alive()

        pacer = Pacer(50, 5, nap=nap)
        with pytest.raises(StoppedError):
            pacer.sleep(3600)


@pytest.mark.parametrize("seconds", [0, 0.1, 1, 1.5])
def test_a_sleep_lasts_as_long_as_requested(seconds):
    clock = Clock()
    Pacer(50, 5, clock=clock, nap=clock.nap).sleep(seconds)
    assert clock.now == pytest.approx(seconds)


def test_the_time_spent_waiting_is_added_up():
    clock = Clock()
    pacer = Pacer(2, 5, clock=clock, nap=clock.nap)
    for _ in range(2):
        with pacer.slot():
            clock.now += 3
    assert pacer.seconds_waited == 0
    for _ in range(2):
        with pacer.slot():
            pass
    # The calls were answered after 3 and 6 seconds, and it is 6: 17 seconds, and 3 more.
    assert pacer.seconds_waited == pytest.approx(17 + 3 + MARGIN_SECONDS)


class Told:
    """Shared limits that let a call wait `waits` seconds, and note what they are told."""

    def __init__(self, *waits):
        self.notes = []
        self._waits = [*waits]

    def take(self, call):
        self.notes.append(("take", call))
        return self._waits.pop(0) if self._waits else 0.0

    def leave_queue(self, call):
        self.notes.append(("leave queue", call))

    def give_back(self, call, arrived_at):
        self.notes.append(("give back", call, arrived_at))

    def pause(self, seconds):
        self.notes.append(("pause", seconds))

    def report_outcome(self, call):
        self.notes.append(("outcome", call))

    def close(self):
        self.notes.append(("close",))


def test_shared_limits_are_told_of_calls_pauses_and_outcomes():
    clock, told = Clock(), Told()
    pacer = Pacer(50, 5, clock=clock, nap=clock.nap, shared=told)
    with pacer.slot() as turn:
        clock.now = 4.0
    pacer.pause(6)
    pacer.report_outcome(turn)
    pacer.close()
    call = turn.shared
    assert told.notes == [
        ("take", call),
        ("give back", call, 4.0),
        ("pause", 6),
        ("outcome", call),
        ("close",),
    ]


def test_a_call_waits_for_the_shared_limits():
    clock, told = Clock(), Told(0.1, 0.05)
    with Pacer(50, 5, clock=clock, nap=clock.nap, shared=told).slot() as turn:
        assert told.notes == [("take", turn.shared)] * 3
        assert clock.now == pytest.approx(0.15)


def test_a_stopped_call_leaves_the_queue_of_the_shared_limits():
    told = Told(5.0)
    pacer = Pacer(50, 5, nap=lambda _condition, _seconds: pacer.stop(), shared=told)
    with pytest.raises(StoppedError), pacer.slot():
        pytest.fail("a call was started")
    (_, call), left = told.notes
    assert left == ("leave queue", call)


def test_after_the_close_the_own_limits_remain():
    clock, told = Clock(), Told()
    pacer = Pacer(1, 5, clock=clock, nap=clock.nap, shared=told)
    pacer.close()
    for _ in range(2):
        with pacer.slot():
            pass
    assert told.notes == [("close",)]
    assert clock.now == pytest.approx(WINDOW_SECONDS + MARGIN_SECONDS)


def test_a_released_slot_wakes_a_waiting_thread():
    waits = threading.Event()

    def long_nap(condition, _seconds):
        waits.set()
        condition.wait(60)

    pacer = Pacer(100, 1, nap=long_nap)
    waiting = threading.Thread(target=lambda: pacer.slot().__enter__(), daemon=True)
    with pacer.slot():
        waiting.start()
        assert waits.wait(5)
    waiting.join(timeout=5)
    assert not waiting.is_alive()


def test_the_end_of_a_probe_wakes_waiting_threads():
    waits = threading.Event()

    def long_nap(condition, _seconds):
        waits.set()
        condition.wait(60)

    pacer = Pacer(100, 5, nap=long_nap)
    pacer.pause(0)
    waiting = threading.Thread(target=lambda: pacer.slot().__enter__(), daemon=True)
    with pacer.slot() as turn:
        waiting.start()
        assert waits.wait(5)
        pacer.report_outcome(turn)
        waiting.join(timeout=5)
    assert not waiting.is_alive()
