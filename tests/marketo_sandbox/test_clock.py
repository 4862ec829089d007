"""The instance's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfoNotFoundError

import pytest

from marketo_sandbox.instance import clock as clock_module
from marketo_sandbox.instance.clock import Clock

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MOMENT = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_the_date_header_follows_the_instance_clock(api, sandbox):
    sandbox.set_clock(MOMENT, frozen=True)
    answer = api.send("GET", "/rest/v1/stats/usage.json")
    assert parsedate_to_datetime(answer.headers["Date"]) == MOMENT
    sandbox.advance(90)
    answer = api.send("GET", "/rest/v1/stats/usage.json")
    assert answer.headers["Date"] == "Mon, 03 Feb 2031 04:06:36 GMT"


def test_a_clock_that_is_set_runs_on():
    real = [100.0]
    clock = Clock(lambda: real[0])
    clock.set(MOMENT)
    real[0] += 5
    assert (clock.now() - MOMENT).total_seconds() == 5


def test_a_frozen_clock_changes_only_when_advanced():
    real = [100.0]
    clock = Clock(lambda: real[0])
    clock.set(MOMENT, frozen=True)
    real[0] += 5
    assert clock.now() == MOMENT
    clock.advance(7)
    assert (clock.now() - MOMENT).total_seconds() == 7


def test_the_day_follows_us_central_time_in_summer_and_winter():
    clock = Clock(lambda: 0.0)
    days = []
    for moment in ("2026-01-15T05:59", "2026-01-15T06:00", "2026-07-15T04:59", "2026-07-15T05:00"):
        clock.set(datetime.fromisoformat(f"{moment}:00+00:00"), frozen=True)
        days.append(clock.day())
    assert days == ["2026-01-14", "2026-01-15", "2026-07-14", "2026-07-15"]


def test_a_clock_that_is_not_set_shows_real_time():
    clock = Clock(lambda: 100.0)
    assert (clock.seconds(), clock.offset_seconds, clock.frozen) == (100, 0, False)


def test_advances_add_up_and_may_go_back():
    clock = Clock(lambda: 100.0)
    for seconds in (60, 60, -20):
        clock.advance(seconds)
    assert (clock.seconds(), clock.offset_seconds, clock.frozen) == (200, 100, False)


def test_the_clock_is_within_1970_and_9998():
    clock = Clock(lambda: 100.0)
    for valid in (EARLIEST, LATEST):
        clock.set(valid, frozen=True)
        assert clock.now() == valid
        assert clock.frozen
    for invalid in (EARLIEST - SECOND, LATEST + SECOND):
        with pytest.raises(ValueError, match="from 1970 to 9998"):
            clock.set(invalid)
        assert clock.now() == LATEST
    with pytest.raises(ValueError, match="from 1970 to 9998"):
        clock.advance(1)
    clock.advance(-1)
    assert clock.now() == LATEST - SECOND


def test_the_last_days_begin_with_today_in_us_central_time():
    clock = Clock(lambda: 0.0)
    clock.set(datetime(2026, 3, 2, 5, 59, tzinfo=UTC), frozen=True)
    assert clock.last_days(3) == ["2026-03-01", "2026-02-28", "2026-02-27"]


def test_without_time_zone_data_the_day_ends_by_cst(monkeypatch):
    def without_data(name):
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(clock_module, "ZoneInfo", without_data)
    assert clock_module._central().utcoffset(None) == timedelta(hours=-6)
