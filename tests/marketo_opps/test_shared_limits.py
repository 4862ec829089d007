"""Several processes on one instance, in one file, with a clock that only the tests move."""

from __future__ import annotations

import functools
import heapq
import itertools
import logging
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from marketo_opps import limits_database
from marketo_opps.errors import SettingsError
from marketo_opps.limits_file import Limits, LimitsFile
from marketo_opps.pacing import Pacer
from marketo_opps.process_identity import ProcessIdentity
from marketo_opps.shared_limits import SharedCall, SharedLimits

WINDOW_SECONDS = 20.0
TRAVEL_SECONDS = 1.0
HOST = "123-abc-456.mktorest.com"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "limits.db")


@pytest.fixture
def processes(monkeypatch):
    """Processes that can be ended: those that take part are identified as one of them."""
    running = {}

    class Fake(ProcessIdentity):
        def is_running(self):
            return running.get(self, True)

    monkeypatch.setattr("marketo_opps.limits_file.ProcessIdentity", Fake)
    numbers = itertools.count(1)

    def start():
        identity = Fake(next(numbers), "then")
        monkeypatch.setattr(Fake, "current", lambda: identity)
        return lambda: running.update({identity: False})

    return start


@pytest.fixture
def join(path, clock, processes):
    """Returns the limits of one more process, and what kills it."""
    made = []

    def make(calls=100, at_once=10, *, host=HOST):
        kill = processes()
        limits = SharedLimits(
            path,
            host,
            calls_per_20_seconds=calls,
            max_concurrent_calls=at_once,
            window_seconds=WINDOW_SECONDS,
            clock=clock,
        )
        made.append(limits)
        return limits, kill

    yield make
    for limits in made:
        limits.disconnect()


class Caller:
    """A thread of a process, which waits for a place, makes a call, and begins again."""

    def __init__(self, limits, clock):
        self.limits = limits
        self.clock = clock
        self.sent_at = None
        self.call = SharedCall(clock())

    def take(self):
        seconds = self.limits.take(self.call)
        self.sent_at = None if seconds else self.clock()
        return seconds

    def goes(self):
        return self.take() == 0

    def end(self):
        self.limits.give_back(self.call, min(self.clock(), self.sent_at + TRAVEL_SECONDS))
        self.limits.report_outcome(self.call)
        self.call = SharedCall(self.clock())

    def seconds_until_it_goes(self, longest=100):
        began = self.clock.now
        while (seconds := self.take()) > 0:
            self.clock.now += seconds
            assert self.clock.now < began + longest
        return self.clock.now - began


def callers(limits, clock, number):
    return [Caller(limits, clock) for _ in range(number)]


def most_within(window_seconds, times):
    times = sorted(times)
    return max(sum(start <= each < start + window_seconds for each in times) for start in times)


class Simulation:
    """Processes with some threads each, which call as often as they are let."""

    def __init__(self, clock, processes, threads, rng):
        self.clock = clock
        self.rng = rng
        self.turns = []
        self.numbers = itertools.count()
        self.arrivals, self.waits = [], []
        self.calls, self.in_flight = Counter(), Counter()
        self.most_in_flight = 0
        self.threads = threads
        for process, limits in enumerate(processes):
            self.start(process, limits)

    def start(self, process, limits):
        for caller in callers(limits, self.clock, self.threads):
            self.schedule(self.rng.random(), self.ask, process, caller)

    def kill(self, process):
        """Let a process do nothing from now on; what it has sent arrives all the same."""
        self.turns = [turn for turn in self.turns if turn[3][0] != process]
        heapq.heapify(self.turns)
        del self.in_flight[process]

    def schedule(self, seconds, do, *arguments):
        heapq.heappush(self.turns, (self.clock.now + seconds, next(self.numbers), do, arguments))

    def run(self, seconds):
        until = self.clock.now + seconds
        while self.turns[0][0] < until:
            self.clock.now, _, do, arguments = heapq.heappop(self.turns)
            do(*arguments)

    def ask(self, process, caller):
        if seconds := caller.take():
            # A thread wakes up a little late.
            self.schedule(seconds + self.rng.random() / 1000, self.ask, process, caller)
            return
        self.waits.append(self.clock.now - caller.call.since)
        self.calls[process] += 1
        self.in_flight[process] += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight.total())
        seconds = self.rng.uniform(0.05, 0.6)
        self.arrivals.append(self.clock.now + self.rng.random() * min(seconds, TRAVEL_SECONDS))
        self.schedule(seconds, self.end, process, caller)

    def end(self, process, caller):
        self.in_flight[process] -= 1
        caller.end()
        self.ask(process, caller)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_ten_processes_together_use_the_rate_and_no_more(join, clock, threads):
    processes = [join()[0] for _ in range(10)]
    simulation = Simulation(clock, processes, threads, random.Random(threads))
    began = clock.now

    simulation.run(320)

    later = [each for each in simulation.arrivals if began + 20 <= each < began + 320]
    assert most_within(WINDOW_SECONDS, simulation.arrivals) <= 100
    assert simulation.most_in_flight <= 10
    assert len(later) >= 0.95 * 15 * 100
    # By turns: nobody is given more than another, and nobody waits for two windows.
    assert max(simulation.calls.values()) <= 1.25 * min(simulation.calls.values())
    assert max(simulation.waits) <= 2 * WINDOW_SECONDS


@pytest.mark.slow
def test_with_kills_in_between_the_rate_is_used_all_the_same(join, clock):
    rng = random.Random(5)
    kill_of = dict(enumerate(join() for _ in range(10)))
    simulation = Simulation(clock, [limits for limits, _ in kill_of.values()], 2, rng)
    began = clock.now

    for number in range(10, 70):
        simulation.run(5)
        victim = rng.choice(list(kill_of))
        simulation.kill(victim)
        _, kill = kill_of.pop(victim)
        kill()
        kill_of[number] = join()
        simulation.start(number, kill_of[number][0])

    later = [each for each in simulation.arrivals if began + 20 <= each < began + 300]
    assert most_within(WINDOW_SECONDS, simulation.arrivals) <= 100
    assert simulation.most_in_flight <= 10
    assert len(later) >= 0.95 * 14 * 100


@pytest.mark.slow
def test_slow_calls_of_many_processes_keep_all_concurrency_in_use(join, clock, monkeypatch):
    processes = [join(100, 10)[0] for _ in range(4)]
    simulation = Simulation(clock, processes, 5, random.Random(1))
    monkeypatch.setattr(simulation.rng, "uniform", lambda _from, _to: 5.0)

    simulation.run(300)

    assert simulation.most_in_flight == 10
    assert len(simulation.arrivals) >= 0.95 * 10 * 300 / 5


def test_whoever_waits_longest_goes_first(join, clock):
    (first, _), (second, _), (third, _) = join(1), join(1), join(1)
    ahead = Caller(first, clock)
    assert ahead.goes()
    ahead.end()
    late, early = Caller(second, clock), Caller(third, clock)
    early.call.since -= 1
    assert not late.goes()
    assert not early.goes()

    for _ in range(20):
        clock.now += 1
        assert not late.goes()
        if early.goes():
            break
    else:
        pytest.fail("whoever waited longest never went")


def test_there_is_room_for_those_ahead_and_one_more(join, clock):
    (first, _), (second, _) = join(3), join(3)
    for caller in callers(first, clock, 3):
        assert caller.goes()
        caller.end()
    ahead, behind = Caller(first, clock), Caller(second, clock)
    assert not ahead.goes()
    assert not behind.goes()

    clock.now += WINDOW_SECONDS + 1
    # It need not wait for the other to wake up.
    assert behind.goes()
    assert ahead.goes()


def test_a_waiting_call_goes_once_the_oldest_leaves_the_window(join, clock):
    limits, _ = join(2)
    for _ in range(2):
        caller = Caller(limits, clock)
        assert caller.goes()
        caller.end()
        clock.now += 8
    waiting = Caller(limits, clock)
    assert waiting.seconds_until_it_goes() == pytest.approx(WINDOW_SECONDS - 16)


def test_a_call_does_not_use_the_file_before_it_is_time(join, clock):
    limits, _ = join(1)
    assert Caller(limits, clock).goes()
    waiting = Caller(limits, clock)
    seconds = waiting.take()
    clock.now += seconds / 2
    assert waiting.take() == pytest.approx(seconds / 2)


def test_all_threads_of_a_process_may_use_the_file(join, clock):
    limits, _ = join()
    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(lambda caller: caller.goes(), callers(limits, clock, 2)))


def test_one_process_at_a_time_looks_for_ended_ones(path, clock, processes):
    processes()
    file = LimitsFile(path, HOST, Limits(100, 10))
    with file.change():
        file.add_process()
        claims = [file.claim_check(clock.now + later, 0.25) for later in (0, 0, 0.2, 0.25, 0.4)]
    assert claims == [True, False, False, True, False]
    file.close()


def test_calls_that_have_left_the_window_are_deleted(join, clock, path):
    limits, _ = join()
    for _ in range(250):
        caller = Caller(limits, clock)
        assert caller.goes()
        caller.end()
        clock.now += WINDOW_SECONDS
    with closing(sqlite3.connect(path)) as file, file:
        (left,) = file.execute("SELECT count(*) FROM calls").fetchone()
    assert left <= 51


@pytest.mark.parametrize("limits", [(100, 2), (2, 10)])
def test_each_keeps_to_its_own_limits_of_all_calls_together(join, clock, limits):
    (wide, _), (narrow, _) = join(), join(*limits)
    assert Caller(wide, clock).goes()
    assert Caller(narrow, clock).goes()

    held_back = Caller(narrow, clock)
    assert not held_back.goes()
    # Else others would keep the limits exceeded that it waits for.
    assert not Caller(wide, clock).goes()
    narrow.leave_queue(held_back.call)
    assert Caller(wide, clock).goes()


def test_other_limits_than_those_of_a_process_are_warned_of_once(join, caplog):
    join(100, 10)
    join(100, 10)
    assert not caplog.records

    join(50, 5)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "process 1 uses calls_per_20_seconds 100 and max_concurrent_calls 10" in record.message
    assert "this process 50 and 5" in record.message


def test_limits_of_an_ended_process_are_not_warned_of(join, caplog):
    _, kill = join(100, 10)
    kill()
    join(50, 5)
    assert not caplog.records


def test_two_instances_in_one_file_have_their_own_limits(join, clock):
    (one, _), (other, _) = join(1), join(1, host="987-zyx-654.mktorest.com")
    assert Caller(one, clock).goes()
    assert not Caller(one, clock).goes()
    of_other = Caller(other, clock)
    assert of_other.goes()
    of_other.end()
    one.pause(60)
    clock.now += WINDOW_SECONDS + TRAVEL_SECONDS
    assert Caller(other, clock).seconds_until_it_goes() < 1


class TestEndedProcess:
    def test_its_places_in_flight_are_free_within_a_second(self, join, clock):
        (killed, kill), (alive, _) = join(), join()
        for caller in callers(killed, clock, 10):
            assert caller.goes()
        waiting = Caller(alive, clock)
        assert not waiting.goes()
        kill()
        assert waiting.seconds_until_it_goes() <= 1

    def test_its_calls_count_in_the_window_all_the_same(self, join, clock):
        (killed, kill), (alive, _) = join(4), join(4)
        for caller in callers(killed, clock, 4):
            assert caller.goes()
        kill()
        seconds = Caller(alive, clock).seconds_until_it_goes()
        assert WINDOW_SECONDS <= seconds <= WINDOW_SECONDS + 1

    def test_a_process_that_starts_frees_its_places_in_flight(self, join, clock):
        killed, kill = join()
        for caller in callers(killed, clock, 10):
            assert caller.goes()
        kill()
        starting, _ = join()
        assert Caller(starting, clock).goes()

    def test_its_turn_goes_to_the_next_within_a_second(self, join, clock):
        (killed, kill), (alive, _) = join(100, 1), join(100, 1)
        busy = Caller(alive, clock)
        assert busy.goes()
        assert not Caller(killed, clock).goes()
        waiting = Caller(alive, clock)
        assert not waiting.goes()
        busy.end()
        kill()
        assert waiting.seconds_until_it_goes() <= 1

    def test_another_probes_the_end_of_a_pause_in_its_place(self, join, clock):
        (killed, kill), (alive, _) = join(), join()
        killed.pause(0)
        assert Caller(killed, clock).goes()
        waiting = Caller(alive, clock)
        assert not waiting.goes()
        kill()
        assert waiting.seconds_until_it_goes() <= 1
        assert not Caller(alive, clock).goes()


def test_a_suspended_process_holds_nobody_up_for_long(join, clock):
    (suspended, _), (alive, _) = join(100, 1), join(100, 1)
    busy = Caller(alive, clock)
    assert busy.goes()
    assert not Caller(suspended, clock).goes()
    waiting = Caller(alive, clock)
    assert not waiting.goes()
    busy.end()
    assert 0 < waiting.seconds_until_it_goes() <= 3


class TestPause:
    @pytest.fixture
    def two(self, join):
        return join()[0], join()[0]

    def test_it_holds_for_all_until_one_call_was_let_through(self, two, clock):
        told, other = two
        told.pause(6)
        assert not Caller(told, clock).goes()
        probe = Caller(other, clock)
        assert 6 <= probe.seconds_until_it_goes() <= 6.5
        waiting = [Caller(told, clock), Caller(other, clock)]
        assert not any(each.goes() for each in waiting)
        probe.end()
        assert all(each.seconds_until_it_goes() <= 1 for each in waiting)

    def test_a_call_from_before_it_does_not_end_it(self, two, clock):
        told, other = two
        early = Caller(other, clock)
        assert early.goes()
        told.pause(0)
        assert Caller(told, clock).goes()
        early.end()
        assert not Caller(other, clock).goes()

    def test_a_probe_that_is_told_to_pause_ends_nothing(self, two, clock):
        told, other = two
        told.pause(0)
        probe = Caller(told, clock)
        assert probe.goes()
        told.pause(12)
        probe.end()
        assert 12 <= Caller(other, clock).seconds_until_it_goes() <= 12.5
        assert not Caller(told, clock).goes()

    def test_a_shorter_one_does_not_shorten_it(self, two, clock):
        told, other = two
        told.pause(6)
        other.pause(1)
        assert Caller(other, clock).seconds_until_it_goes() >= 6


def test_a_restart_of_the_machine_forgets_all(join, clock, monkeypatch):
    earlier, _ = join(1)
    assert Caller(earlier, clock).goes()
    earlier.pause(10_000)
    monkeypatch.setattr(limits_database, "boot_id", lambda: "another")
    clock.now = 5.0
    later, _ = join(1)
    assert Caller(later, clock).goes()


def test_who_leaves_takes_neither_places_nor_turns_along(join, clock, path):
    (leaving, _), (staying, _) = join(100, 1), join(100, 1)
    busy, waiting, given_up = Caller(staying, clock), Caller(leaving, clock), Caller(leaving, clock)
    assert busy.goes()
    assert not waiting.goes()
    assert not given_up.goes()
    leaving.leave_queue(given_up.call)
    leaving.close()
    busy.end()
    assert Caller(staying, clock).goes()
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute("SELECT count(*) FROM processes").fetchone() == (1,)


def test_a_call_in_flight_at_the_close_counts_from_its_arrival(join, clock):
    (leaving, _), (staying, _) = join(1), join(1)
    assert Caller(leaving, clock).goes()
    leaving.close()
    assert Caller(staying, clock).seconds_until_it_goes() >= WINDOW_SECONDS + TRAVEL_SECONDS


def test_a_file_that_others_are_opening_is_tried_again(join, monkeypatch):
    refusals = [None, None]

    class Contended(sqlite3.Connection):
        """Refuses to set the journal mode, as SQLite does at once in this race."""

        def execute(self, statement, *values):
            if "journal_mode" in statement and refusals:
                refusals.pop()
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(statement, *values)

    connect = functools.partial(sqlite3.connect, factory=Contended)
    monkeypatch.setattr(sqlite3, "connect", connect)
    limits, _ = join()

    assert refusals == []
    limits.close()


class TestUnusableFile:
    @staticmethod
    def make(tmp_path, what):
        path = tmp_path / "limits.db"
        if what == "no folder":
            return tmp_path / "none" / "limits.db"
        if what == "no path":
            return tmp_path / "a\0b"
        if what == "a folder":
            path.mkdir()
        elif what == "other text":
            path.write_text("calls: 100\n" * 200)
        else:
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("CREATE TABLE dag_run (id INTEGER)")
        return path

    @pytest.mark.parametrize(
        ("what", "reason"),
        [
            ("no folder", "unable to open database file"),
            ("no path", "embedded null byte"),
            ("a folder", "unable to open database file"),
            ("other text", "file is not a database"),
            ("another program's", "it is another program's database"),
        ],
    )
    def test_at_the_start_it_is_a_settings_error(self, tmp_path, clock, what, reason):
        path = self.make(tmp_path, what)
        before = path.read_bytes() if path.is_file() else None

        with pytest.raises(SettingsError, match="'limits_path'") as caught:
            SharedLimits(
                str(path),
                HOST,
                calls_per_20_seconds=1,
                max_concurrent_calls=1,
                window_seconds=20,
                clock=clock,
            )

        assert f"cannot be used ({reason})" in str(caught.value)
        assert "local disk" in str(caught.value)
        assert (path.read_bytes() if path.is_file() else None) == before

    def test_one_that_stays_locked_is_a_settings_error(self, path, join, monkeypatch):
        monkeypatch.setattr(limits_database, "LONGEST_LOCK_SECONDS", 0.1)
        with closing(sqlite3.connect(path, isolation_level=None)) as other, other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(SettingsError, match="database is locked"):
                join()

    def test_later_the_process_goes_on_by_its_own_count(self, path, join, clock, caplog):
        shared, _ = join(5, 2)
        naps = []

        def nap(_condition, seconds):
            naps.append(seconds)
            clock.now += seconds

        pacer = Pacer(5, 2, clock=clock, nap=nap, shared=shared)
        with pacer.slot():
            pass
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE calls")

        for _ in range(4):
            with pacer.slot() as turn:
                pass
            pacer.report_outcome(turn)
        assert not naps
        with pacer.slot():
            pass

        assert sum(naps) >= WINDOW_SECONDS - 1
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert (
            "limits_path: the file can no longer be used (no such table: calls)" in record.message
        )
        pacer.close()

    def test_a_failing_close_is_no_error(self, path, join, clock, caplog):
        shared, _ = join()
        pacer = Pacer(5, 2, clock=clock, shared=shared)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE processes")
        pacer.close()
        assert "no such table" in caplog.text


@pytest.mark.slow
def test_processes_that_start_at_once_all_get_into_a_new_file(tmp_path):
    path = tmp_path / "limits.db"
    code = f"""
import sys, time
from marketo_opps.shared_limits import SharedCall, SharedLimits
sys.stdin.read()
limits = SharedLimits(
    {str(path)!r}, "host", calls_per_20_seconds=100, max_concurrent_calls=10,
    window_seconds=20.0, clock=time.monotonic,
)
call = SharedCall(time.monotonic())
while limits.take(call):
    time.sleep(0.01)
limits.give_back(call, time.monotonic())
"""
    starting = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(8)
    ]
    for process in starting:
        process.stdin.close()
    assert [process.wait(timeout=60) for process in starting] == [0] * 8
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute("SELECT count(*) FROM calls").fetchone() == (8,)
