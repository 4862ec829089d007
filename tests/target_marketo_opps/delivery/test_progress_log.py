"""When a progress line is logged, and for how long a run has lasted."""

from __future__ import annotations

from target_marketo_opps.delivery.progress_log import ProgressLog


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def logged(caplog, seconds, **more):
    """Return the lines that are logged if it is tried at these seconds of a run."""
    caplog.set_level("INFO", "target-marketo-opps")
    clock = Clock()
    log = ProgressLog(lambda since: f"after {since:.0f} s", clock=clock, **more)
    for second in seconds:
        clock.now = 1_000.0 + second
        log.log_due()
    return caplog.messages, log.due_at - 1_000


def test_a_line_is_logged_every_ten_seconds(caplog):
    lines, due = logged(caplog, [0, 9, 10, 11, 19, 20])
    assert lines == ["after 10 s", "after 20 s"]
    assert due == 30


def test_the_next_line_is_due_an_interval_after_a_late_one(caplog):
    lines, due = logged(caplog, [2.9, 5, 7, 8], interval_seconds=3)
    assert lines == ["after 5 s", "after 8 s"]
    assert due == 11


def test_the_first_line_is_due_after_an_interval(caplog):
    assert logged(caplog, [], interval_seconds=3) == ([], 3)
