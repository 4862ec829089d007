"""Waiting for descriptors, for a wake-up from another thread, or for a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import socket
import threading
from types import SimpleNamespace

import pytest

from target_marketo_opps.state import self_pipe as module

pytestmark = pytest.mark.timeout(10)


@pytest.fixture
def pair():
    """Return two connected sockets; closing one makes the other readable."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def timeouts(monkeypatch, self_pipe):
    """Return the timeouts in milliseconds of all waits, none of which lasts."""
    asked = []

    class Poll:
        def __init__(self):
            self._poll = select.poll()
            self.register = self._poll.register

        def poll(self, timeout):
            asked.append(timeout)
            return self._poll.poll(0)

    monkeypatch.setattr(
        module,
        "select",
        SimpleNamespace(poll=Poll, POLLIN=select.POLLIN, POLLOUT=select.POLLOUT),
    )
    return asked


def test_a_wait_ends_when_its_time_is_over(self_pipe, pair):
    assert not self_pipe.wait(readable=[pair[0].fileno()], timeout_seconds=0.001)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(None, None), (0, 0), (-5, 0), (0.0001, 1), (1, 1000), (1.5, 1500), (0.0101, 11)],
)
def test_a_wait_is_never_shorter_than_its_time(self_pipe, timeouts, seconds, milliseconds):
    self_pipe.wait(timeout_seconds=seconds)
    assert timeouts == [milliseconds]


def test_a_wait_without_a_time_has_no_end_of_its_own(self_pipe, timeouts):
    self_pipe.wait()
    assert timeouts == [None]


def test_a_wait_ends_when_a_descriptor_can_be_read(self_pipe, pair):
    ours, theirs = pair
    theirs.send(b"x")
    assert self_pipe.wait(readable=[ours.fileno()])
    ours.recv(1)
    assert not self_pipe.wait(readable=[ours.fileno()], timeout_seconds=0)
    theirs.close()
    assert self_pipe.wait(readable=[ours.fileno()])


def test_a_wait_ends_when_a_descriptor_can_be_written(self_pipe, pair):
    ours, theirs = pair
    theirs.send(b"x")
    assert self_pipe.wait(writable=[ours.fileno()])
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(b"x" * 65_536)
    assert not self_pipe.wait(writable=[ours.fileno()], timeout_seconds=0)


def test_a_wake_up_ends_one_wait_and_is_not_a_descriptor(self_pipe, pair):
    for _ in range(3):
        self_pipe.set()
    assert not self_pipe.wait(readable=[pair[0].fileno()])
    pair[1].send(b"x")
    self_pipe.set()
    assert self_pipe.wait(readable=[pair[0].fileno()])
    assert self_pipe.wait(readable=[pair[0].fileno()])


def test_wake_ups_are_consumed_by_the_wait_that_they_end(self_pipe, timeouts):
    self_pipe.set()
    waker = self_pipe._reader
    self_pipe.wait()
    with pytest.raises(BlockingIOError):
        waker.recv(1)


def test_another_thread_ends_a_wait(self_pipe):
    thread = threading.Thread(target=self_pipe.set)
    thread.start()
    assert not self_pipe.wait()
    thread.join()


def test_any_number_of_wake_ups_block_nobody(self_pipe):
    for _ in range(10_000):
        self_pipe.set()
    assert not self_pipe.wait()


def test_a_wake_up_after_the_end_does_nothing(self_pipe):
    self_pipe.close()
    self_pipe.set()
    assert self_pipe._reader.fileno() == self_pipe._writer.fileno() == -1


def test_descriptors_above_1023_can_be_waited_for(self_pipe, pair):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3_000:
        pytest.skip("this system allows no such descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3_000), hard))
    try:
        high = fcntl.fcntl(pair[0].fileno(), fcntl.F_DUPFD_CLOEXEC, 1_024)
        pair[1].send(b"x")
        assert self_pipe.wait(readable=[high])
        os.close(high)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
