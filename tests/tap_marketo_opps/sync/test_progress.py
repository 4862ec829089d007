"""Tests of progress lines."""

from __future__ import annotations

import re

import pytest

from tap_marketo_opps.sync.progress import (
    LogThrottle,
    Pace,
    ProgressReport,
    format_duration,
    log_share,
)
from tests.tap_marketo_opps.helpers import UnpacedTap

pytestmark = pytest.mark.waits


def test_progress_is_logged_every_ten_seconds_at_most():
    seconds = iter(range(36))
    throttle = LogThrottle(lambda: next(seconds))
    due = [second for second in range(1, 36) if throttle.is_due()]
    assert due == [10, 20, 30]


def _progress(**changed):
    members = {
        "where": "3,000 of 9,000 values",
        "share": 1 / 3,
        "records": 2990,
        "calls": 10,
        "seconds": 20.0,
        "seconds_left": 40.0,
    }
    return ProgressReport(**{**members, **changed})


def test_how_far_of_how_much_how_fast_and_how_long_yet():
    assert _progress().summary() == (
        "33 % (3,000 of 9,000 values), 2,990 records, 10 calls, 0.5 calls/s, 40 s left"
    )


def test_one_is_no_plural():
    told = _progress(records=1, calls=1).so_far()
    assert told == "33 % (3,000 of 9,000 values), 1 record, 1 call"


def test_what_nobody_knows_is_left_out():
    told = _progress(share=None, seconds_left=None).summary()
    assert told == "3,000 of 9,000 values, 2,990 records, 10 calls, 0.5 calls/s"


def test_before_any_time_has_passed_no_speed_is_logged():
    assert _progress(seconds=0.0).summary().endswith("10 calls, 40 s left")
    assert "20.0 calls/s" in _progress(seconds=0.5).summary()


@pytest.mark.parametrize(("left", "text"), [(0.0, "1 s left"), (1.0, "1 s left"), (2, "2 s left")])
def test_a_run_that_goes_on_takes_a_second_or_more(left, text):
    assert _progress(seconds_left=left).summary().endswith(text)


def test_the_time_left_compares_times_whole_windows_apart():
    pace = Pace(0.0, window_seconds=10)
    assert pace.seconds_left(3, 0.1) is None
    assert pace.seconds_left(9, 0.4) is None
    assert pace.seconds_left(14, 0.5) == pytest.approx((14 - 3) / (0.5 - 0.1) * 0.5)
    assert pace.seconds_left(28, 0.6) == pytest.approx((28 - 9) / (0.6 - 0.4) * 0.4)
    assert pace.seconds_left(39, 0.4) is None
    assert pace.seconds_left(40, 0.6) == pytest.approx(40 / 0.6 * 0.4)


def test_what_an_earlier_attempt_has_done_does_not_count_as_speed():
    assert Pace(0.5).seconds_left(20, 0.6) == pytest.approx(20 / 0.1 * 0.4)


def test_no_time_left_is_logged_once_all_keys_are_looked_up():
    assert Pace(0.0).seconds_left(40, 1.0) is None
    assert Pace(0.0).seconds_left(40, 0.0) is None


def test_the_time_left_is_steady_though_calls_go_out_in_bursts():
    """Make 1,000 calls, 50 in the first second of each 20 seconds: 400 seconds in all."""
    pace = Pace(0.0)
    told = {}
    for seconds in range(10, 400, 10):
        windows, phase = divmod(seconds, 20)
        done = 50 * windows + (50 if phase else 0)
        told[seconds] = pace.seconds_left(seconds, done / 1000)
    assert told[10] is None
    for seconds in range(20, 380, 10):
        assert told[seconds] == pytest.approx(400 - seconds, abs=10.1)


def test_of_the_log_it_is_told_how_much_of_the_time_is_read():
    since, until = "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"
    assert log_share("2026-01-02T00:00:00Z", since, until) == 0.25
    assert log_share("2025-12-31T23:00:00Z", since, until) == 0.0
    assert log_share("2026-01-05T00:00:01Z", since, until) == 1.0
    assert log_share(until, until, until) == 1.0
    assert log_share(since, until, since) == 1.0
    assert log_share(since, since, "2026-01-01T00:00:01Z") == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5 s"),
        (119, "119 s"),
        (120, "2 min"),
        (600, "10 min"),
        (7_199, "120 min"),
        (7_200, "2.0 h"),
        (9_000, "2.5 h"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds, text):
    assert format_duration(seconds) == text


class TapLoggingTwiceASecond(UnpacedTap):
    seconds_between_logs = 0.5


@pytest.mark.parametrize("stream", ["opportunities", "opportunity_fields"])
def test_a_run_that_writes_nothing_says_how_far_it_is(
    marketo_sandbox_factory, catalog_of, sync, caplog, stream
):
    caplog.set_level("INFO")
    sandbox = marketo_sandbox_factory(limits={"enforced": False})
    catalog = catalog_of(sandbox, stream)
    sandbox.fault("slow", seconds=2, operation="query opportunity")
    sandbox.fault("slow", seconds=2, operation="fields")
    config = {**sandbox.credentials, "filter_values": ["x"]}
    sync(config, catalog=catalog, tap_class=TapLoggingTwiceASecond)
    told = [line for line in caplog.messages if line.startswith(f"{stream}: ")]
    assert 2 < len(told) < 7
    assert re.search(r"0 records, [01] calls?", told[0])
